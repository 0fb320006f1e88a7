import { encodeBlippedFilter } from "../blip/blipped-filter.ts";
import { DEFAULT_PROFILE_PARAMETERS_ID, MAXIMUM_PROFILE_TOPICS, profileParameters } from "../blip/parameters.ts";
import { createBlipNoise, createPublisherState, publishProfile, slotOf } from "../blip/publisher.ts";
import { createSubscriptionProfile, profileContext, type SubscriptionProfile } from "../blip/subscription-profile.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { BlippedProfile } from "../identity/blipped-profile.ts";
import type { UnixMs } from "../kernel/time.ts";

/** What has to survive a restart, so that noise is never drawn twice for one slot. */
export interface ProfileSnapshot {
  /** 32 secret bytes. */
  readonly noiseKey: Uint8Array;
  readonly firstSlot: number;
  readonly slot: number;
  readonly encoded: Uint8Array;
}

/** The noisy filter of what this node holds: one per weekly slot, fixed once shown. */
export interface PublishedProfile {
  /** Exact, for the estimators; never leaves the process. */
  readonly own: () => SubscriptionProfile;
  readonly topicsChanged: (elements: readonly Uint8Array[]) => void;
  /** For the descriptor; `undefined` as long as there is nothing to show or the pseudonym's budget is spent. */
  readonly shown: (now: UnixMs) => BlippedProfile | undefined;
  readonly snapshot: () => ProfileSnapshot | undefined;
}

const CONTEXT = "p2pcollab core";

export const createPublishedProfile = (
  crypto: CryptoProvider,
  freshKey: () => Uint8Array,
  restored: ProfileSnapshot | undefined,
): PublishedProfile => {
  const parameters = profileParameters[DEFAULT_PROFILE_PARAMETERS_ID];
  const context = profileContext(crypto, CONTEXT);
  let kept = restored;
  let isEmpty = true;
  const profileOf = (elements: readonly Uint8Array[]): SubscriptionProfile | undefined => {
    const made = createSubscriptionProfile(crypto, parameters, context, elements.slice(0, MAXIMUM_PROFILE_TOPICS));
    return made.ok ? made.value : undefined;
  };
  let own = profileOf([]) as SubscriptionProfile;

  return {
    own: () => own,
    topicsChanged: (elements) => {
      isEmpty = elements.length === 0;
      own = profileOf(elements) ?? own;
    },
    shown: (now) => {
      const slot = slotOf(now);
      if (kept?.slot === slot) return kept.encoded as BlippedProfile;
      if (kept === undefined && isEmpty) return undefined;
      const { noiseKey, firstSlot } = kept ?? { noiseKey: freshKey(), firstSlot: slot };
      const noise = createBlipNoise(noiseKey, firstSlot);
      // What the slots so far cost is a function of their number (blip SPEC); a pseudonym ends with its budget.
      const spent = (noise.epsilonMilli / 1000) * (1 + Math.max(0, slot - firstSlot - 1) * noise.redraw);
      if (slot < firstSlot || spent > noise.lifetimeEpsilon) return undefined;
      const published = publishProfile(crypto, createPublisherState(noise), own, slot);
      if (!published.ok) return undefined;
      const version = slot - firstSlot + 1;
      const encoded = encodeBlippedFilter({ ...published.value.filter, version });
      kept = { noiseKey, firstSlot, slot, encoded };
      return encoded;
    },
    snapshot: () => kept,
  };
};
