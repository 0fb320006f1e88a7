import { DEFAULT_TOPIC_RATES } from "../../protocol/proxy/topic-rates.ts";
import type { ProxyNodeConfig } from "./proxy-node.ts";

const GIB = 2 ** 30;
/** What a proxy keeps for everybody together, unless told otherwise: a small part of any disk sold today. */
export const DEFAULT_CAPACITY = 10 * GIB;
/** What a code opens: the notes of years and a few thousand pictures. */
export const DEFAULT_QUOTA = GIB;

/** Data formats, section 16, and retention of section 9.4 and 13. */
export const PROXY_LIMITS: Pick<ProxyNodeConfig["server"], "maxTopics" | "itemGraceDays" | "blobGraceDays" | "rates"> =
  {
    maxTopics: 2_000,
    itemGraceDays: 30,
    blobGraceDays: 14,
    rates: DEFAULT_TOPIC_RATES,
  };
