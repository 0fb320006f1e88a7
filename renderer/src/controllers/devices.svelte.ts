import type { Api } from "../../../app/contract/create-api.ts";
import type { Device, DevicePairing } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

/** The devices of the own identity, and new ones on their way in. */
export interface Devices {
  /** This device first, then by name; removed ones are left out. */
  readonly list: () => readonly Device[];
  readonly pairings: () => readonly DevicePairing[];
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  /** Connects to the new device behind a link; `phrase` where this device may not sign others in by itself. */
  readonly add: (link: string, phrase: string) => Promise<DevicePairing | Problem>;
  readonly answer: (pairing: string, type: "approve" | "decline") => Promise<Problem | null>;
  readonly rename: (device: string, name: string) => Promise<Problem | null>;
  /** Gives this device another key. */
  readonly renewKey: () => Promise<Problem | null>;
  readonly revoke: (device: string, phrase: string) => Promise<Problem | null>;
  readonly stop: () => void;
}

const collator = new Intl.Collator();

export const createDevices = (api: Api, hub: EventHub): Devices => {
  let list = $state.raw<readonly Device[]>([]);
  let pairings = $state.raw<readonly DevicePairing[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);

  const take = (devices: readonly Device[]): void => {
    list = devices
      .filter(({ self, state }) => self || state === "active")
      .toSorted((a, b) => Number(b.self) - Number(a.self) || collator.compare(a.name, b.name));
  };
  const reload = createRefresh(async () => {
    const [devices, waiting] = await Promise.all([api.call("devices.list"), api.call("devices.pairings")]);
    if (devices.ok) take(devices.value);
    if (waiting.ok) pairings = waiting.value;
    problem = devices.ok ? null : problemOf(devices.error);
    loaded = true;
  });
  const stops = [hub.on("devicesChanged", () => void reload()), hub.on("peersChanged", () => void reload())];
  void reload();

  return {
    list: () => list,
    pairings: () => pairings,
    loaded: () => loaded,
    problem: () => problem,
    add: async (link, phrase) => {
      const added = await api.call("devices.add", phrase === "" ? { link } : { link, phrase });
      if (!added.ok) return problemOf(added.error);
      pairings = [...pairings.filter(({ id }) => id !== added.value.id), added.value];
      return added.value;
    },
    answer: async (id, type) => {
      const answered = await api.call(type === "approve" ? "devices.approve" : "devices.decline", { id });
      if (!answered.ok) return problemOf(answered.error);
      pairings = pairings.map((pairing) => (pairing.id === id ? answered.value : pairing));
      return null;
    },
    rename: async (device, name) => {
      const renamed = await api.call("devices.rename", { device, name });
      if (!renamed.ok) return problemOf(renamed.error);
      take(renamed.value);
      return null;
    },
    renewKey: async () => {
      const renewed = await api.call("devices.renewKey");
      if (!renewed.ok) return problemOf(renewed.error);
      take(renewed.value);
      return null;
    },
    revoke: async (device, phrase) => {
      const revoked = await api.call("devices.revoke", phrase === "" ? { device } : { device, phrase });
      if (!revoked.ok) return problemOf(revoked.error);
      take(revoked.value);
      return null;
    },
    stop: () => {
      for (const stop of stops) stop();
    },
  };
};
