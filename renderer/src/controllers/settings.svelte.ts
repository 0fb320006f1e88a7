import type { Api } from "../../../app/contract/create-api.ts";
import type { ErrorType } from "../../../app/contract/errors.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";

export type Theme = "system" | "light" | "dark";
export type EditorWidth = "narrow" | "medium" | "wide";
export type NoteOrder = "updated" | "created" | "title";

/** What the window remembers. Never part of a shared document. */
export interface Preferences {
  readonly theme: Theme;
  readonly editorWidth: EditorWidth;
  readonly editorFontSize: number;
  readonly sidebarWidth: number;
  readonly listWidth: number;
  readonly sidebarShown: boolean;
  readonly noteOrder: NoteOrder;
  readonly lastNotebook: string;
  readonly lastDocument: string;
  /** Minutes without keyboard or mouse after which the keys are locked; 0: never. */
  readonly lockAfter: number;
}

export const LOCK_AFTER = { min: 0, max: 240 } as const;

export const FONT_SIZES = { min: 13, max: 22 } as const;
export const SIDEBAR_WIDTHS = { min: 190, max: 380 } as const;
export const LIST_WIDTHS = { min: 230, max: 480 } as const;
/** 64 to 68 characters a line at 16 px in the middle, the measure books use. */
const WIDTH_PX: Readonly<Record<EditorWidth, string>> = { narrow: "600px", medium: "720px", wide: "960px" };

const DEFAULTS: Preferences = {
  theme: "system",
  editorWidth: "medium",
  editorFontSize: 16,
  sidebarWidth: 244,
  listWidth: 300,
  sidebarShown: true,
  noteOrder: "updated",
  lastNotebook: "",
  lastDocument: "",
  lockAfter: 0,
};

const oneOf = <T extends string>(value: string | undefined, options: readonly T[], fallback: T): T =>
  options.find((option) => option === value) ?? fallback;
const inRange = (
  value: string | undefined,
  range: { readonly min: number; readonly max: number },
  fallback: number,
) => {
  const number = value === undefined || value === "" ? Number.NaN : Number(value);
  return Number.isInteger(number) && number >= range.min && number <= range.max ? number : fallback;
};
const KEY_PREFIX = "window.";

/** Reads stored settings; whatever is missing or out of range falls back to its default. */
const decodePreferences = (stored: Readonly<Record<string, string>>): Preferences => {
  const at = (key: keyof Preferences): string | undefined => stored[KEY_PREFIX + key];
  return {
    theme: oneOf(at("theme"), ["system", "light", "dark"], DEFAULTS.theme),
    editorWidth: oneOf(at("editorWidth"), ["narrow", "medium", "wide"], DEFAULTS.editorWidth),
    editorFontSize: inRange(at("editorFontSize"), FONT_SIZES, DEFAULTS.editorFontSize),
    sidebarWidth: inRange(at("sidebarWidth"), SIDEBAR_WIDTHS, DEFAULTS.sidebarWidth),
    listWidth: inRange(at("listWidth"), LIST_WIDTHS, DEFAULTS.listWidth),
    sidebarShown: at("sidebarShown") !== "false",
    noteOrder: oneOf(at("noteOrder"), ["updated", "created", "title"], DEFAULTS.noteOrder),
    lastNotebook: at("lastNotebook") ?? DEFAULTS.lastNotebook,
    lastDocument: at("lastDocument") ?? DEFAULTS.lastDocument,
    lockAfter: inRange(at("lockAfter"), LOCK_AFTER, DEFAULTS.lockAfter),
  };
};

/** Not failures: the settings are read again once there is an unlocked identity. */
const BEFORE_UNLOCKING: ReadonlySet<ErrorType> = new Set(["NoIdentity", "VaultLocked"]);

export interface Settings {
  readonly current: () => Preferences;
  /** Gives the page this identity's looks. */
  readonly apply: () => void;
  readonly load: () => Promise<void>;
  /** Takes settings as the node stores them. */
  readonly take: (stored: Readonly<Record<string, string>>) => void;
  /** Shows the change at once and remembers it. */
  readonly set: <Key extends keyof Preferences>(key: Key, value: Preferences[Key]) => void;
  /** Shows the change without remembering it, while a handle is dragged. */
  readonly preview: <Key extends keyof Preferences>(key: Key, value: Preferences[Key]) => void;
}

/** `isShown`: whether the page may look as these settings say. */
export const createSettings = (api: Api, onProblem: (problem: Problem) => void, isShown: () => boolean): Settings => {
  let current = $state.raw(DEFAULTS);

  const apply = () => {
    if (!isShown()) return;
    const root = document.documentElement;
    if (current.theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = current.theme;
    root.style.setProperty("--editor-width", WIDTH_PX[current.editorWidth]);
    root.style.setProperty("--editor-font-size", `${current.editorFontSize}px`);
  };
  const preview: Settings["preview"] = (key, value) => {
    current = { ...current, [key]: value };
    apply();
  };

  const take: Settings["take"] = (stored) => {
    current = decodePreferences(stored);
    apply();
  };

  return {
    current: () => current,
    apply,
    take,
    load: async () => {
      const stored = await api.call("settings.get");
      if (!stored.ok) {
        if (!BEFORE_UNLOCKING.has(stored.error.type)) onProblem(problemOf(stored.error));
        return;
      }
      take(stored.value);
    },
    preview,
    set: (key, value) => {
      preview(key, value);
      void api.call("settings.set", { key: KEY_PREFIX + key, value: String(value) }).then((saved) => {
        if (!saved.ok) onProblem(problemOf(saved.error));
      });
    },
  };
};
