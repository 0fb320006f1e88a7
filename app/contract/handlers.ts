import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";
import type { CallName, InputOf, OutputOf, StreamName } from "./contract.ts";
import { contract } from "./contract.ts";
import type { ContractError } from "./errors.ts";
import { contractError } from "./errors.ts";

type Answer<T> = Result<T, ContractError>;

/** What the core (and, for `shell.*`, the host) implements; a missing operation does not compile. */
export type Handlers = {
  readonly [N in CallName]: (input: InputOf<N>) => Promise<Answer<OutputOf<N>>>;
} & {
  readonly [N in StreamName]: (input: InputOf<N>, emit: (message: Answer<OutputOf<N>>) => void) => () => void;
};

const refusedInput = (path: string, expected: string) =>
  err(contractError("InvalidInput", path === "" ? `Expected ${expected}.` : `${path}: expected ${expected}.`));

/**
 * The untrusted side of the contract: decodes every input, refuses unknown names, and never lets a throw out. `identity` chooses
 * among those of an install, by id or by name; the host of one identity has nothing to choose.
 */
export interface ContractHost {
  readonly invoke: (name: string, input: unknown, identity?: string) => Promise<Answer<unknown>>;
  readonly subscribe: (
    name: string,
    input: unknown,
    emit: (message: Answer<unknown>) => void,
    identity?: string,
  ) => () => void;
}

/** The part of an install's contract that concerns one identity. */
export const bindIdentity = (host: ContractHost, identity: string): ContractHost => ({
  invoke: (name, input) => host.invoke(name, input, identity),
  subscribe: (name, input, emit) => host.subscribe(name, input, emit, identity),
});

/** `explain` receives what a handler threw: the fault of the environment behind it, or `Internal` for a bug of ours. */
export const createContractHost = (
  handlers: Handlers,
  explain: (name: string, cause: unknown) => ContractError,
): ContractHost => ({
  invoke: async (name, input) => {
    if (!Object.hasOwn(contract, name) || contract[name as CallName].kind === ("stream" as string))
      return err(contractError("UnknownOperation", `There is no operation "${name.slice(0, 100)}".`));
    const decoded = contract[name as CallName].input(input);
    if (!decoded.ok) return refusedInput(decoded.error.path, decoded.error.expected);
    try {
      return await (handlers[name as CallName] as (input: unknown) => Promise<Answer<unknown>>)(decoded.value);
    } catch (cause) {
      return err(explain(name, cause));
    }
  },
  subscribe: (name, input, emit) => {
    if (!Object.hasOwn(contract, name) || contract[name as StreamName].kind !== "stream") {
      emit(err(contractError("UnknownOperation", `There is no stream "${name.slice(0, 100)}".`)));
      return () => undefined;
    }
    const decoded = contract[name as StreamName].input(input);
    if (!decoded.ok) {
      emit(refusedInput(decoded.error.path, decoded.error.expected));
      return () => undefined;
    }
    try {
      return (handlers[name as StreamName] as (input: unknown, emit: (m: Answer<unknown>) => void) => () => void)(
        decoded.value,
        emit,
      );
    } catch (cause) {
      emit(err(explain(name, cause)));
      return () => undefined;
    }
  },
});
