import type { Api } from "../../../app/contract/create-api.ts";
import type { IdentityColour, InstalledIdentity } from "../../../app/contract/types.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { App } from "./app.svelte.ts";
import { createApp } from "./app.svelte.ts";

/** An identity whose notes were on the screen since the window opened; its workspace stays as it was left. */
export interface OpenedIdentity {
  readonly id: string;
  readonly app: App;
}

/** Who lives in this install, and whose notes the window shows. */
export interface Identities {
  readonly list: () => readonly InstalledIdentity[];
  readonly find: (id: string) => InstalledIdentity | undefined;
  /** Id of the one on the screen; null until the node answered. */
  readonly shown: () => string | null;
  readonly opened: () => readonly OpenedIdentity[];
  readonly select: (id: string) => void;
  /** The n-th of the list from 0, if there is one. */
  readonly selectAt: (position: number) => void;
  /** Makes room for another one and shows its first screen. */
  readonly add: () => Promise<Problem | null>;
  readonly update: (
    id: string,
    change: { readonly name?: string; readonly colour?: IdentityColour },
  ) => Promise<Problem | null>;
  readonly remove: (id: string) => Promise<Problem | null>;
  /** Hands a link that the system opened to one of them, and shows it. */
  readonly giveLink: (id: string, link: string) => void;
  readonly stop: () => void;
}

/** Remembers, for this window and the next one, who was on the screen: a number that means nothing elsewhere. */
const SHOWN = "shown-identity";
/** Stands in for an install that cannot say who lives in it. */
const UNKNOWN = "";

const COLOURS: Readonly<Record<IdentityColour, string>> = {
  teal: "var(--person-0)",
  blue: "var(--person-1)",
  orange: "var(--person-3)",
  violet: "var(--person-7)",
  pink: "var(--person-5)",
  cyan: "var(--person-6)",
  olive: "var(--person-4)",
  magenta: "var(--person-2)",
};
/** The colour as CSS has it, light or dark as the page is. */
export const identityColour = (colour: IdentityColour): string => COLOURS[colour];

/** What to call an identity that has no name yet. */
export const identityName = ({ name, state }: InstalledIdentity): string =>
  name !== "" ? name : state === "absent" ? "New identity" : "Unnamed identity";

/** `apiOf`: the client of one identity, or of the install. */
export const createIdentities = (apiOf: (identity?: string) => Api): Identities => {
  const install = apiOf();
  let list = $state.raw<readonly InstalledIdentity[]>([]);
  let shown = $state<string | null>(null);
  let opened = $state.raw<readonly OpenedIdentity[]>([]);
  /** Where the keyboard was in each of them. */
  const focused = new Map<string, Element | null>();

  const appOf = (id: string): App => {
    const known = opened.find((one) => one.id === id);
    if (known !== undefined) return known.app;
    const app = createApp(apiOf(id === UNKNOWN ? undefined : id), { id, isShown: () => shown === id, identities });
    opened = [...opened, { id, app }];
    void app.start();
    return app;
  };
  const select = (id: string): void => {
    if (id === shown) return;
    if (shown !== null) {
      focused.set(shown, document.activeElement);
      appOf(shown).navigation.close();
    }
    shown = id;
    localStorage.setItem(SHOWN, id);
    appOf(id).show();
    const before = focused.get(id);
    // Focusable again only when the page has shown it.
    requestAnimationFrame(() => {
      if (shown === id && before instanceof HTMLElement) before.focus();
    });
  };

  const take = (next: readonly InstalledIdentity[]): void => {
    list = next;
    const gone = opened.filter(({ id }) => !next.some((one) => one.id === id));
    const fallback = next.find(({ state }) => state !== "failed") ?? next[0];
    if (!next.some(({ id }) => id === shown) && fallback !== undefined) {
      const last = shown === null ? localStorage.getItem(SHOWN) : null;
      select(next.find(({ id }) => id === last)?.id ?? fallback.id);
    }
    opened = opened.filter((one) => !gone.includes(one));
    for (const { app } of gone) app.stop();
  };

  const identities: Identities = {
    list: () => list,
    find: (id) => list.find((one) => one.id === id),
    shown: () => shown,
    opened: () => opened,
    select,
    selectAt: (position) => {
      const chosen = list[position];
      if (chosen !== undefined) select(chosen.id);
    },
    add: async () => {
      const added = await install.call("identities.add");
      if (!added.ok) return problemOf(added.error);
      if (!list.some(({ id }) => id === added.value.id)) take([...list, added.value]);
      select(added.value.id);
      return null;
    },
    update: async (id, change) => {
      const updated = await install.call("identities.update", { id, ...change });
      if (!updated.ok) return problemOf(updated.error);
      take(updated.value);
      return null;
    },
    remove: async (id) => {
      const removed = await install.call("identities.remove", { id });
      if (!removed.ok) return problemOf(removed.error);
      take(removed.value);
      return null;
    },
    giveLink: (id, link) => {
      select(id);
      void appOf(id).openLink(link);
    },
    stop: () => {
      stopWatching();
      for (const { app } of opened) app.stop();
    },
  };
  const stopWatching = install.subscribe("identities.watch", undefined, (message) => {
    if (message.ok) take(message.value);
    // The one identity of an install that cannot be asked says why.
    else if (shown === null) select(UNKNOWN);
  });
  return identities;
};
