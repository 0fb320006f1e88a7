import type { ContractHost } from "../../app/contract/handlers.ts";

/** A contract that can be asked before the node is up: calls wait for it, so that window and node start side by side. */
export const createDeferredContract = (ready: Promise<ContractHost>): ContractHost => ({
  invoke: async (name, input) => (await ready).invoke(name, input),
  subscribe: (name, input, emit) => {
    let closed = false;
    let close: (() => void) | undefined;
    void ready.then((host) => {
      if (!closed) close = host.subscribe(name, input, emit);
    });
    return () => {
      closed = true;
      close?.();
    };
  },
});
