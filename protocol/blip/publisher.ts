import { bitAt } from "../bloom/bloom-filter.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { invariant } from "../kernel/assert.ts";
import { ascii } from "../kernel/bytes.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import type { UnixMs } from "../kernel/time.ts";
import type { BlippedFilter } from "./blipped-filter.ts";
import {
  DEFAULT_PROFILE_PARAMETERS_ID,
  flipThreshold,
  MAXIMUM_EPSILON_MILLI,
  MINIMUM_EPSILON_MILLI,
  type ProfileParametersId,
  profileParameters,
} from "./parameters.ts";
import type { SubscriptionProfile } from "./subscription-profile.ts";

/** Length of a publication slot: a changed set of topics shows at the next boundary only. */
const SLOT_MS = 7 * 24 * 3_600_000;

/** Number of the slot, counted from the Unix epoch. */
export const slotOf = (now: UnixMs): number => Math.floor(now / SLOT_MS);

/** Noise of one pseudonym. All of it is fixed for the pseudonym's life: another epsilon under the same key reveals bits. */
export interface BlipNoise {
  /** 32 secret bytes; whoever has them reads the exact profile. */
  readonly key: Uint8Array;
  readonly parametersId: ProfileParametersId;
  readonly epsilonMilli: number;
  /** Share of the bits whose noise is drawn afresh at each slot (paper on memoisation: RAPPOR; `redraw` 0 is its permanent response). */
  readonly redraw: number;
  /** Slot in which the pseudonym began. */
  readonly firstSlot: number;
  /** Refuse to publish beyond this loss of an unchanged topic. */
  readonly lifetimeEpsilon: number;
  /** Invented topics that stand in the filter beside the followed ones, and the share of them replaced at each slot. */
  readonly decoys: number;
  readonly decoyTurnover: number;
}

/**
 * One bit in 64 per week: more lets a year of filters average out, less makes a changed bit stand out. Chosen
 * against the best attacker of `test/simulation/interest-inference.test.ts` (SPEC.md, parameters).
 */
export const DEFAULT_REDRAW = 1 / 64;
/**
 * Twelve decoys, one of them replaced each week: a bit that appears may be a decoy's, so that interests which change
 * every week stay below the bound too (SPEC.md, parameters).
 */
export const DEFAULT_DECOYS = 12;
export const DEFAULT_DECOY_TURNOVER = 1 / 12;
/** A year of weekly slots costs 1.8 epsilon; two epsilon are the end of a pseudonym. */
const LIFETIME_DRAWS = 2;
/** Thousandths; the user may choose 1000, 2000 or 3000. */
export const DEFAULT_EPSILON_MILLI = 2000;

export const createBlipNoise = (
  key: Uint8Array,
  firstSlot: number,
  epsilonMilli = DEFAULT_EPSILON_MILLI,
): BlipNoise => ({
  key,
  parametersId: DEFAULT_PROFILE_PARAMETERS_ID,
  epsilonMilli,
  redraw: DEFAULT_REDRAW,
  firstSlot,
  lifetimeEpsilon: (LIFETIME_DRAWS * epsilonMilli) / 1000,
  decoys: DEFAULT_DECOYS,
  decoyTurnover: DEFAULT_DECOY_TURNOVER,
});

/** What was published, and what it cost; persisted before the profile is sent. */
export interface LedgerEntry {
  readonly slot: number;
  /** Loss of a topic that was in the profile all the time, this slot alone (expected value). */
  readonly epsilon: number;
  /** Bits of the followed topics that differ from the slot before: each tells with `eventEpsilon` that it changed. */
  readonly changedBits: number;
}

export interface PublisherState {
  readonly noise: BlipNoise;
  /** Per bit the last slot, counted from `firstSlot`, in which its noise was drawn; as of `drawnAt`. */
  readonly draws: Uint32Array;
  /** Per decoy the last slot in which it was replaced, counted and dated alike. */
  readonly decoyDraws: Uint32Array;
  readonly drawnAt: number;
  readonly ledger: readonly LedgerEntry[];
  /** `exact` is the filter of the followed topics, `padded` the same with the decoys of its slot. */
  readonly published:
    { readonly filter: BlippedFilter; readonly exact: Uint8Array; readonly padded: Uint8Array } | undefined;
}

export type PublishRefused =
  /** The loss would pass `lifetimeEpsilon`: start a new pseudonym. */
  | { readonly type: "PrivacyBudgetSpent"; readonly spent: number; readonly limit: number }
  /** The slot lies before the pseudonym's first or before one already published. */
  | { readonly type: "SlotInPast" };

export interface Publication {
  readonly state: PublisherState;
  readonly filter: BlippedFilter;
}

const REDRAW_DOMAIN = ascii("blip/redraw");
const FLIP_DOMAIN = ascii("blip/flip");
const DECOY_DOMAIN = ascii("blip/decoy");
const DECOY_TURN_DOMAIN = ascii("blip/decoy-turn");
/** More would fill the filter that policies bound by `MAXIMUM_PROFILE_TOPICS`. */
const MAXIMUM_DECOYS = 64;

const u32le = (value: number): Uint8Array => Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

const firstWord = (digest: Uint8Array): number =>
  new DataView(digest.buffer, digest.byteOffset, digest.byteLength).getUint32(0, true);

export const createPublisherState = (noise: BlipNoise): PublisherState => {
  invariant(noise.key.length === 32, "a noise key has 32 bytes");
  invariant(
    noise.epsilonMilli >= MINIMUM_EPSILON_MILLI && noise.epsilonMilli <= MAXIMUM_EPSILON_MILLI,
    "epsilon out of range",
  );
  invariant(noise.redraw >= 0 && noise.redraw <= 1, "redraw is a share");
  invariant(noise.decoys >= 0 && noise.decoys <= MAXIMUM_DECOYS, "decoys out of range");
  invariant(noise.decoyTurnover >= 0 && noise.decoyTurnover <= 1, "turnover is a share");
  const draws = new Uint32Array(profileParameters[noise.parametersId].bits);
  const decoyDraws = new Uint32Array(noise.decoys);
  return { noise, draws, decoyDraws, drawnAt: 0, ledger: [], published: undefined };
};

/** Loss so far of a topic that never changed. */
export const spentEpsilon = (state: PublisherState): number =>
  state.ledger.reduce((sum, entry) => sum + entry.epsilon, 0);

/** Loss by which one changed bit shows that it changed: epsilon + ln(1 / redraw), for one hash function. */
export const eventEpsilon = (noise: BlipNoise): number => noise.epsilonMilli / 1000 + Math.log(1 / noise.redraw);

/** Exact bits with the draws of their noise, and what became of them. */
interface Noised {
  readonly exact: Uint8Array;
  readonly draws: Uint32Array;
  readonly bytes: Uint8Array;
}

/** Noisy bits of a filter, a pure function of (exact bits, key, draws); `known` saves the work for bits that are the same. */
export const blipBits = (
  crypto: CryptoProvider,
  key: Uint8Array,
  threshold: number,
  exact: Uint8Array,
  draws: Uint32Array,
  known?: Noised,
): Uint8Array => {
  const noisyBit = (index: number): number => {
    const bit = bitAt(exact, index);
    const draw = draws[index] as number;
    if (known !== undefined && known.draws[index] === draw && bitAt(known.exact, index) === bit) {
      return bitAt(known.bytes, index);
    }
    const word = firstWord(crypto.hmac("SHA256", key, FLIP_DOMAIN, u32le(index), Uint8Array.of(bit), u32le(draw)));
    return word < threshold ? 1 - bit : bit;
  };
  const out = new Uint8Array(exact.length);
  for (let index = 0; index < 8 * exact.length; index++) {
    if (noisyBit(index) === 1) out[index >> 3] = (out[index >> 3] as number) | (1 << (index & 7));
  }
  return out;
};

/** The draws of slot `to`, given those of slot `from` (both counted from the pseudonym's first). */
export const advanceDraws = (
  crypto: CryptoProvider,
  { key, redraw }: Pick<BlipNoise, "key" | "redraw">,
  draws: Uint32Array,
  from: number,
  to: number,
  domain: Uint8Array = REDRAW_DOMAIN,
): Uint32Array => {
  const limit = Math.floor(redraw * 2 ** 32);
  const next = Uint32Array.from(draws);
  for (let index = 0; index < next.length; index++) {
    for (let slot = to; slot > from; slot--) {
      if (firstWord(crypto.hmac("SHA256", key, domain, u32le(index), u32le(slot))) >= limit) continue;
      next[index] = slot;
      break;
    }
  }
  return next;
};

/** The exact filter with the decoys of their draws. */
const withDecoys = (crypto: CryptoProvider, key: Uint8Array, exact: Uint8Array, draws: Uint32Array): Uint8Array => {
  const padded = Uint8Array.from(exact);
  draws.forEach((draw, decoy) => {
    const word = firstWord(crypto.hmac("SHA256", key, DECOY_DOMAIN, u32le(decoy), u32le(draw)));
    const index = Math.floor((word * 8 * exact.length) / 2 ** 32);
    padded[index >> 3] = (padded[index >> 3] as number) | (1 << (index & 7));
  });
  return padded;
};

const changedBitCount = (a: Uint8Array, b: Uint8Array): number => {
  let count = 0;
  for (let index = 0; index < 8 * a.length; index++) if (bitAt(a, index) !== bitAt(b, index)) count += 1;
  return count;
};

/**
 * The profile to show in `slot`. Asking again in the same slot returns the same bytes whatever changed since, for free;
 * the caller persists the new state before it sends anything.
 */
export const publishProfile = (
  crypto: CryptoProvider,
  state: PublisherState,
  profile: SubscriptionProfile,
  slot: number,
): Result<Publication, PublishRefused> => {
  const { noise, published } = state;
  const parameters = profileParameters[noise.parametersId];
  invariant(profile.exact.bytes.length === parameters.bits / 8, "the profile has the network's parameters");
  if (published !== undefined && slot === published.filter.slot) return ok({ state, filter: published.filter });
  if (slot < noise.firstSlot || (published !== undefined && slot < published.filter.slot)) {
    return err({ type: "SlotInPast" });
  }
  const epsilon = noise.epsilonMilli / 1000;
  const elapsed = published === undefined ? 0 : slot - published.filter.slot;
  const cost = published === undefined ? epsilon : epsilon * Math.min(1, noise.redraw * elapsed);
  const spent = spentEpsilon(state) + cost;
  if (spent > noise.lifetimeEpsilon) {
    return err({ type: "PrivacyBudgetSpent", spent, limit: noise.lifetimeEpsilon });
  }
  const age = slot - noise.firstSlot;
  const draws = advanceDraws(crypto, noise, state.draws, state.drawnAt, age);
  const turning = { key: noise.key, redraw: noise.decoyTurnover };
  const decoyDraws = advanceDraws(crypto, turning, state.decoyDraws, state.drawnAt, age, DECOY_TURN_DOMAIN);
  const exact = profile.exact.bytes;
  const padded = withDecoys(crypto, noise.key, exact, decoyDraws);
  const known =
    published === undefined
      ? undefined
      : { exact: published.padded, draws: state.draws, bytes: published.filter.bytes };
  const changedBits = published === undefined ? 0 : changedBitCount(published.exact, exact);
  const filter = {
    parametersId: noise.parametersId,
    epsilonMilli: noise.epsilonMilli,
    slot,
    version: (published?.filter.version ?? 0) + 1,
    bytes: blipBits(crypto, noise.key, flipThreshold(epsilon, parameters.hashes), padded, draws, known),
  } as BlippedFilter;
  const entry: LedgerEntry = { slot, epsilon: cost, changedBits };
  return ok({
    filter,
    state: {
      noise,
      draws,
      decoyDraws,
      drawnAt: age,
      ledger: [...state.ledger, entry],
      published: { filter, exact, padded },
    },
  });
};
