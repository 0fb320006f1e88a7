import type { ContractError, ErrorType } from "../contract/errors.ts";

/** What may be otherwise at the next start: the node was stopping, or its storage did not take something. */
const PASSING: ReadonlySet<ErrorType> = new Set([
  "Stopping",
  "DiskFull",
  "CannotWrite",
  "CorruptDatabase",
  "DataDirectoryInUse",
]);

/** Whether a plan that failed is worth finishing at the next start. */
export const isPassing = ({ type }: ContractError): boolean => PASSING.has(type);
