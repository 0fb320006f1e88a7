import type { Link, LinkError, Links } from "../ports/links.ts";
import type { ProxyRow } from "../ports/proxy-store.ts";
import type { Store } from "../ports/store.ts";
import type { DhKeyPair } from "../../protocol/crypto/provider.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err } from "../../protocol/kernel/result.ts";
import type { ProxyMessage } from "../../protocol/proxy/messages.ts";
import { PROXY_APPLICATION } from "../../protocol/proxy/messages.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";

/** The one connection to a proxy: which address is tried, what travels, and why there is none. */
export interface ProxyConnection {
  readonly dial: () => void;
  readonly hangUp: () => void;
  readonly send: (message: ProxyMessage, urgency: "urgent" | "bulk") => void;
  /** Tries the address that answered first the next time. */
  readonly preferAddress: () => void;
  /** Asks for a sign of life. */
  readonly probe: () => void;
  /** Says why the proxy was left, until the next connection. */
  readonly blame: (reason: string) => void;
  /** Why there is no connection, as a sentence; "" when there is nothing to say. */
  readonly reason: () => string;
  /** Why the last attempt to connect failed. */
  readonly fault: () => LinkError["type"] | undefined;
  readonly stop: () => void;
}

export const createProxyConnection = (
  deps: {
    readonly store: Store;
    readonly links: Links;
    readonly account: DhKeyPair;
    readonly opened: () => void;
    readonly received: (message: ProxyMessage) => void;
    /** Also when no connection came about. */
    readonly closed: () => void;
    readonly write: (work: () => void) => boolean;
  },
  { n, staticKey }: Pick<ProxyRow, "n" | "staticKey">,
): ProxyConnection => {
  const { store, links } = deps;
  let link: Link | undefined;
  let isDialling = false;
  let isAbandoned = false;
  let isStopped = false;
  let reason = "";
  let fault: LinkError["type"] | undefined;

  const open = async (): Promise<Result<Link, LinkError>> => {
    const row = store.proxies.find(staticKey);
    let failed: Result<Link, LinkError> = err({ type: "BadAddress", message: "There is no address to try." });
    for (const address of row?.addresses ?? []) {
      const dialled = await links.dial(address, {
        application: PROXY_APPLICATION,
        staticKey: deps.account,
        remoteStatic: staticKey,
      });
      if (dialled.ok || isAbandoned || isStopped) return dialled;
      failed = dialled;
    }
    return failed;
  };

  const dial = async (): Promise<void> => {
    isDialling = true;
    isAbandoned = false;
    const opened = await open();
    isDialling = false;
    if (!opened.ok) {
      reason = opened.error.message;
      fault = opened.error.type;
      deps.closed();
      return;
    }
    if (isAbandoned || isStopped) {
      opened.value.close();
      deps.closed();
      return;
    }
    reason = "";
    fault = undefined;
    link = opened.value;
    deps.opened();
    opened.value.start({
      message: (bytes) => {
        const message = decodeProxyMessage(bytes);
        if (message.ok) deps.received(message.value);
        else {
          reason = "The always-on node sent a message that cannot be read.";
          link?.close();
        }
      },
      closed: (why) => {
        link = undefined;
        if (reason === "") reason = why;
        deps.closed();
      },
    });
  };

  return {
    dial: () => void dial(),
    hangUp: () => {
      if (link === undefined) isAbandoned = isDialling;
      else link.close();
    },
    send: (message, urgency) => link?.send(encodeProxyMessage(message), urgency),
    preferAddress: () => {
      const addresses = store.proxies.find(staticKey)?.addresses ?? [];
      const answered = addresses.find((address) => address === link?.address);
      if (answered === undefined || addresses[0] === answered) return;
      deps.write(() =>
        store.proxies.setAddresses(n, [answered, ...addresses.filter((address) => address !== answered)]),
      );
    },
    probe: () => link?.probe(),
    blame: (why) => {
      reason = why;
    },
    reason: () => reason,
    fault: () => fault,
    stop: () => {
      isStopped = true;
    },
  };
};
