import type { ContractHost } from "../../app/contract/handlers.ts";

/** A contract that can be asked before the node is up: calls wait for it, so that window and node start side by side. */
export const createDeferredContract = (ready: Promise<ContractHost>): ContractHost => ({
  invoke: async (name, input, identity) => (await ready).invoke(name, input, identity),
  subscribe: (name, input, emit, identity) => {
    let closed = false;
    let close: (() => void) | undefined;
    void ready.then((host) => {
      if (!closed) close = host.subscribe(name, input, emit, identity);
    });
    return () => {
      closed = true;
      close?.();
    };
  },
});
