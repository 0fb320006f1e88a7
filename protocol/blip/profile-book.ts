import { bytesEqual } from "../kernel/bytes.ts";
import type { BlippedFilter } from "./blipped-filter.ts";
import { estimateOverlap, rankPeer } from "./estimator.ts";
import type { SubscriptionProfile } from "./subscription-profile.ts";

/** `equivocation`: a second, different filter for one slot; the descriptor that carries it is dropped. */
export type ProfileVerdict = "accepted" | "known" | "outdated" | "equivocation";

/** The profiles of known peers, one per peer, with what private set intersection said about them. */
export interface ProfileBook {
  readonly accept: (peer: string, filter: BlippedFilter) => ProfileVerdict;
  /** Result of an intersection with the peer: an empty one after a high claim counts against it. */
  readonly intersectionFound: (own: SubscriptionProfile, peer: string, common: number) => void;
  /** Rank for choosing whom to dial; 0 for unknown and penalised peers. */
  readonly rank: (own: SubscriptionProfile, peer: string) => number;
  readonly forget: (peer: string) => void;
}

interface Page {
  readonly filter: BlippedFilter;
  readonly emptyClaims: number;
}

/** Two empty intersections in a row after a claim of more than this many standard deviations make a liar. */
const CLAIM_DEVIATIONS = 3;
const EMPTY_CLAIMS_ALLOWED = 1;

/** Remembers the profiles of the last `capacity` peers. */
export const createProfileBook = (capacity = 4096): ProfileBook => {
  const pages = new Map<string, Page>();

  return {
    accept: (peer, filter) => {
      const held = pages.get(peer);
      if (held !== undefined && held.filter.slot === filter.slot) {
        return bytesEqual(held.filter.bytes, filter.bytes) ? "known" : "equivocation";
      }
      if (held !== undefined && held.filter.slot > filter.slot) return "outdated";
      pages.delete(peer);
      pages.set(peer, { filter, emptyClaims: held?.emptyClaims ?? 0 });
      if (pages.size > capacity) {
        for (const oldest of pages.keys()) {
          pages.delete(oldest);
          break;
        }
      }
      return "accepted";
    },
    intersectionFound: (own, peer, common) => {
      const page = pages.get(peer);
      if (page === undefined) return;
      const { bits, deviation } = estimateOverlap(own, page.filter);
      const claimed = bits > CLAIM_DEVIATIONS * deviation;
      if (common > 0) pages.set(peer, { ...page, emptyClaims: 0 });
      else if (claimed) pages.set(peer, { ...page, emptyClaims: page.emptyClaims + 1 });
    },
    rank: (own, peer) => {
      const page = pages.get(peer);
      return page === undefined || page.emptyClaims > EMPTY_CLAIMS_ALLOWED ? 0 : rankPeer(own, page.filter);
    },
    forget: (peer) => void pages.delete(peer),
  };
};
