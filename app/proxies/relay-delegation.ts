import type { Clock } from "../ports/clock.ts";
import type { RepositoryService } from "../repositories/repository-service.ts";
import { bytesToHex } from "../../protocol/kernel/bytes.ts";
import type { ProxyQuestion } from "../../protocol/proxy/client-events.ts";
import type { ProxyAnswer, RelayContact } from "../../protocol/proxy/messages.ts";
import { relayStatement } from "../../protocol/proxy/statements.ts";
import { MAX_RELAY_CONTACTS } from "../../protocol/proxy/wire.ts";

/** Lets one proxy publish this identity's notebooks in the core overlay. */
export interface RelayDelegation {
  /** Signs what is not signed yet, runs out, or may name another proxy; called whenever something of this may have changed. */
  readonly renew: () => Promise<void>;
}

/** A proxy goes on for its people as long as they are on holiday. */
const DAY_SECONDS = 86_400;
const DELEGATED_SECONDS = 30 * DAY_SECONDS;
/** Half of it is left when it is renewed. */
const RENEW_BELOW_SECONDS = DELEGATED_SECONDS / 2;

export const createRelayDelegation = (deps: {
  readonly clock: Clock;
  /** Static key of the proxy. */
  readonly staticKey: Uint8Array;
  readonly repositories: RepositoryService;
  readonly ask: (question: ProxyQuestion) => Promise<ProxyAnswer | null>;
  readonly isFollowed: (topic: Uint8Array) => boolean;
  /** Other proxies at which this device follows the topic. */
  readonly contacts: (topic: Uint8Array) => readonly RelayContact[];
}): RelayDelegation => {
  const { clock, staticKey, repositories, ask } = deps;
  const given = new Map<string, { readonly until: number; readonly contacts: string }>();
  let isRunning = false;
  let isAskedAgain = false;

  const renewAll = async (): Promise<void> => {
    for (const { epoch } of repositories.all()) {
      const { topicKey, topicPk } = epoch;
      // Who may only read cannot delegate; the pin alone lets the proxy follow.
      if (topicKey === null || !deps.isFollowed(topicPk)) continue;
      const now = Math.floor(clock.unix() / 1000);
      const contacts = deps.contacts(topicPk).slice(0, MAX_RELAY_CONTACTS);
      const named = contacts.map((contact) => `${bytesToHex(contact.staticPk)} ${contact.address}`).join();
      const known = given.get(bytesToHex(topicPk));
      if (known !== undefined && known.until - now > RENEW_BELOW_SECONDS && known.contacts === named) continue;
      // In whole days: the proxy keeps it, and when somebody was there is nobody's business.
      const until = Math.ceil((now + DELEGATED_SECONDS) / DAY_SECONDS) * DAY_SECONDS;
      const signature = topicKey.sign(relayStatement(staticKey, until));
      const answer = await ask({ type: "relay", topic: topicPk, until, signature, contacts });
      if (answer === null) return;
      // An older proxy says so by an error, one without the topic by a status; both are asked again at the next change.
      if (answer.type === "done" && answer.status === 0) given.set(bytesToHex(topicPk), { until, contacts: named });
    }
  };

  return {
    renew: async () => {
      isAskedAgain = true;
      if (isRunning) return;
      isRunning = true;
      try {
        while (isAskedAgain) {
          isAskedAgain = false;
          await renewAll();
        }
      } finally {
        isRunning = false;
      }
    },
  };
};
