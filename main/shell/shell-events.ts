import type { ContractHost } from "../../app/contract/handlers.ts";
import type { AppEvent } from "../../app/contract/types.ts";
import { ok } from "../../protocol/kernel/result.ts";

/** The contract with events of the shell's own among the node's. */
export interface ShellEvents {
  readonly contract: ContractHost;
  readonly emit: (event: AppEvent) => void;
}

export const withShellEvents = (node: ContractHost): ShellEvents => {
  const listeners = new Set<Parameters<ContractHost["subscribe"]>[2]>();
  return {
    emit: (event) => {
      for (const listener of listeners) listener(ok(event));
    },
    contract: {
      invoke: node.invoke,
      subscribe: (name, input, emit, identity) => {
        const close = node.subscribe(name, input, emit, identity);
        if (name !== "events") return close;
        listeners.add(emit);
        return () => {
          listeners.delete(emit);
          close();
        };
      },
    },
  };
};
