import type { ContractTransport } from "../../app/contract/create-api.ts";
import { createApi } from "../../app/contract/create-api.ts";

declare global {
  interface Window {
    /** Put there by the preload script; the only door to the node. */
    readonly p2pcollab: ContractTransport;
  }
}

/** The typed client of this window's node. */
export const api = createApi(window.p2pcollab);
