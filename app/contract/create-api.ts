import type { Result } from "../../protocol/kernel/result.ts";
import type { CallName, InputOf, OutputOf, StreamName } from "./contract.ts";
import type { ContractError } from "./errors.ts";

/**
 * What carries the contract: Electron IPC, the control socket or a test's in-process pipe. `identity` says whom of the install
 * an operation or a stream concerns; left out, the first.
 */
export interface ContractTransport {
  readonly invoke: (name: string, input: unknown, identity?: string) => Promise<Result<unknown, ContractError>>;
  /** Delivers every message of a stream in order until the returned function is called. */
  readonly subscribe: (
    name: string,
    input: unknown,
    listener: (message: Result<unknown, ContractError>) => void,
    identity?: string,
  ) => () => void;
}

/** The typed client of the contract over any transport. */
export interface Api {
  /** Whom of the install it concerns; undefined: the first, or all. */
  readonly identity: string | undefined;
  readonly call: <N extends CallName>(
    name: N,
    ...input: InputOf<N> extends undefined ? [] : [InputOf<N>]
  ) => Promise<Result<OutputOf<N>, ContractError>>;
  readonly subscribe: <N extends StreamName>(
    name: N,
    input: InputOf<N>,
    listener: (message: Result<OutputOf<N>, ContractError>) => void,
  ) => () => void;
}

/** Transports only run operations of the contract and answer with their declared outputs, so the casts hold by construction. */
export const createApi = (transport: ContractTransport, identity?: string): Api => ({
  identity,
  call: (name, ...input) => transport.invoke(name, input[0], identity) as ReturnType<Api["call"]> as never,
  subscribe: (name, input, listener) => transport.subscribe(name, input, listener as never, identity),
});
