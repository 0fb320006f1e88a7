import type { InputOf } from "../../../app/contract/contract.ts";
import type { Api } from "../../../app/contract/create-api.ts";
import type { AppInfo, Identity, PairingStatus, VaultStatus, Workspace } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";

/** `phrase`: the identity was just created and its words are on the screen. */
type Phase = "loading" | "failed" | "welcome" | "phrase" | "locked" | "ready";

export interface Session {
  readonly phase: () => Phase;
  readonly vault: () => VaultStatus | null;
  readonly identity: () => Identity | null;
  readonly info: () => AppInfo | null;
  /** Why the node could not be asked at all, in phase `failed`. */
  readonly problem: () => Problem | null;
  /** The 24 words in phase `phrase`, forgotten when it is left. */
  readonly phrase: () => readonly string[] | null;
  /** Asks the node for everything the first screen needs; null when it cannot be asked. */
  readonly start: () => Promise<Workspace | null>;
  /** Leaves phase `loading` once what `start` answered is in place. */
  readonly show: () => void;
  readonly reloadIdentity: () => Promise<void>;
  readonly create: (name: string, passphrase?: string) => Promise<Problem | null>;
  /** Brings a backup back into this data folder, which has no identity yet. */
  readonly restore: (input: InputOf<"backup.restore">) => Promise<Problem | null>;
  /** Makes this install a device of the identity behind a phrase. */
  readonly recover: (phrase: string, passphrase?: string) => Promise<Problem | null>;
  /** Waits for another device to take this install in. */
  readonly pair: (deviceName: string, passphrase?: string) => Promise<Problem | null>;
  readonly pairing: () => PairingStatus | null;
  /** Asks how the pairing goes, and enters when it is done. */
  readonly reloadPairing: () => Promise<void>;
  readonly confirmPairing: () => Promise<Problem | null>;
  readonly cancelPairing: () => Promise<void>;
  /** The window is loaded anew by its host once the keys are gone. */
  readonly lock: () => Promise<Problem | null>;
  /** `passphrase` absent: the system's keychain opens it. */
  readonly unlock: (passphrase?: string) => Promise<Problem | null>;
  readonly confirmPhrase: (
    words: readonly { readonly index: number; readonly word: string }[],
  ) => Promise<Problem | null>;
  readonly leavePhrase: () => void;
}

export const createSession = (api: Api): Session => {
  let phase = $state<Phase>("loading");
  let vault = $state.raw<VaultStatus | null>(null);
  let identity = $state.raw<Identity | null>(null);
  let info = $state.raw<AppInfo | null>(null);
  let problem = $state.raw<Problem | null>(null);
  let pairing = $state.raw<PairingStatus | null>(null);
  let phrase = $state.raw<readonly string[] | null>(null);

  const fail = (failure: Problem) => {
    problem = failure;
    phase = "failed";
  };
  const enter = async () => {
    const shown = await api.call("identity.show");
    if (!shown.ok) {
      fail(problemOf(shown.error));
      return;
    }
    identity = shown.value;
    phase = "ready";
  };

  return {
    phase: () => phase,
    vault: () => vault,
    identity: () => identity,
    info: () => info,
    problem: () => problem,
    phrase: () => phrase,
    start: async () => {
      phase = "loading";
      problem = null;
      const shown = await api.call("workspace.show");
      if (!shown.ok) {
        fail(problemOf(shown.error));
        return null;
      }
      info = shown.value.info;
      vault = shown.value.vault;
      identity = shown.value.identity;
      return shown.value;
    },
    show: () => {
      if (phase !== "loading" || vault === null) return;
      phase = identity !== null ? "ready" : vault.state === "absent" ? "welcome" : "locked";
    },
    reloadIdentity: async () => {
      const shown = await api.call("identity.show");
      if (shown.ok) identity = shown.value;
    },
    create: async (name, passphrase) => {
      const created = await api.call("identity.create", passphrase === undefined ? { name } : { name, passphrase });
      if (!created.ok) return problemOf(created.error);
      const { phrase: words, ...rest } = created.value;
      identity = rest;
      phrase = words;
      phase = "phrase";
      return null;
    },
    restore: async (input) => {
      const restored = await api.call("backup.restore", input);
      if (!restored.ok) return restored.error.type === "Cancelled" ? null : problemOf(restored.error);
      await enter();
      return null;
    },
    recover: async (words, passphrase) => {
      const input = passphrase === undefined ? { phrase: words } : { phrase: words, passphrase };
      const restored = await api.call("identity.restore", input);
      if (!restored.ok) return problemOf(restored.error);
      await enter();
      return null;
    },
    pair: async (deviceName, passphrase) => {
      const named = deviceName === "" ? {} : { deviceName };
      const started = await api.call("identity.pair", passphrase === undefined ? named : { ...named, passphrase });
      if (!started.ok) return problemOf(started.error);
      pairing = started.value;
      return null;
    },
    pairing: () => pairing,
    reloadPairing: async () => {
      if (phase !== "welcome" || pairing === null) return;
      const shown = await api.call("identity.pairing");
      if (!shown.ok || pairing === null) return;
      pairing = shown.value;
      if (pairing.state !== "done") return;
      pairing = null;
      await enter();
    },
    confirmPairing: async () => {
      const confirmed = await api.call("identity.confirmPairing");
      if (!confirmed.ok) return problemOf(confirmed.error);
      pairing = confirmed.value;
      return null;
    },
    cancelPairing: async () => {
      pairing = null;
      await api.call("identity.cancelPairing");
    },
    lock: async () => {
      const locked = await api.call("vault.lock");
      return locked.ok ? null : problemOf(locked.error);
    },
    unlock: async (passphrase) => {
      const unlocked = await api.call("vault.unlock", passphrase === undefined ? {} : { passphrase });
      if (!unlocked.ok) return problemOf(unlocked.error);
      vault = unlocked.value;
      await enter();
      return null;
    },
    confirmPhrase: async (words) => {
      const confirmed = await api.call("identity.confirmPhrase", { words });
      if (!confirmed.ok) return problemOf(confirmed.error);
      identity = confirmed.value;
      return null;
    },
    leavePhrase: () => {
      phrase = null;
      phase = "ready";
    },
  };
};
