import type { ServingReport } from "../../app/contract/types.ts";
import type { ProxyError } from "./proxy-home.ts";

/** What the shell asks of the proxy's process; the first is `start`, once. */
export type ToProxy =
  | { readonly type: "start"; readonly folder: string; readonly capacity: number }
  /** Makes a link that opens one account. */
  | { readonly type: "mint"; readonly id: number }
  | { readonly type: "report"; readonly id: number }
  | { readonly type: "stop" };

export type FromProxy =
  | { readonly type: "started"; readonly addresses: readonly string[] }
  | { readonly type: "failed"; readonly error: ProxyError }
  | { readonly type: "minted"; readonly id: number; readonly link: string | null }
  | { readonly type: "reported"; readonly id: number; readonly report: ServingReport | null }
  | { readonly type: "stopped" };
