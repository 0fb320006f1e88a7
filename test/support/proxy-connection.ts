import type { Link } from "../../app/ports/links.ts";
import { createNoiseLinks } from "../../main/adapters/noise-links.ts";
import { createSystemClock } from "../../main/adapters/system-clock.ts";
import { createSystemRandom } from "../../main/adapters/system-random.ts";
import { createTcpTransport } from "../../main/adapters/tcp-transport.ts";
import { type LiveMessage, PROXY_APPLICATION, type ProxyMessage } from "../../protocol/proxy/messages.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../protocol/proxy/wire.ts";
import { must, native } from "./data-fixtures.ts";

/** A session of an account with a proxy, over NoiseSocket, without a client machine. */
export interface ProxySession {
  /** Undefined when the connection ended before the answer. */
  readonly ask: (message: ProxyMessage) => Promise<ProxyMessage | undefined>;
  /** Live messages so far. */
  readonly live: readonly LiveMessage[];
  readonly close: () => void;
}

/** Connects as the account with this private key. */
export const connectToProxy = async (
  address: string,
  staticPk: Uint8Array,
  account: Uint8Array,
): Promise<ProxySession> => {
  const clock = createSystemClock();
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const links = createNoiseLinks({
    transport: createTcpTransport(),
    crypto: native,
    random: createSystemRandom(),
    clock,
    log,
  });
  const link: Link = must(
    await links.dial(address, {
      application: PROXY_APPLICATION,
      staticKey: native.dhKeyPair(account),
      remoteStatic: staticPk,
    }),
  );
  const waiting: ((message: ProxyMessage | undefined) => void)[] = [];
  const live: LiveMessage[] = [];
  link.start({
    message: (bytes) => {
      const message = must(decodeProxyMessage(bytes));
      if (message.type === "live") live.push(message);
      else waiting.shift()?.(message);
    },
    closed: () => {
      for (const settle of waiting.splice(0)) settle(undefined);
    },
  });
  return {
    live,
    ask: (message) => {
      const answer = new Promise<ProxyMessage | undefined>((resolve) => waiting.push(resolve));
      link.send(encodeProxyMessage(message), "bulk");
      return answer;
    },
    close: () => {
      link.close();
      clock.close();
    },
  };
};
