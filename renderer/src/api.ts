import type { ContractTransport } from "../../app/contract/create-api.ts";
import type { Api } from "../../app/contract/create-api.ts";
import { createApi } from "../../app/contract/create-api.ts";

declare global {
  interface Window {
    /** Put there by the preload script; the only door to the node. */
    readonly p2pcollab: ContractTransport;
  }
}

/** The typed client of one identity of this window's install, or of the install. */
export const apiOf = (identity?: string): Api => createApi(window.p2pcollab, identity);
