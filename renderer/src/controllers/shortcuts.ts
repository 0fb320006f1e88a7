import type { App } from "./app.svelte.ts";
import { mayWrite } from "./notebooks.svelte.ts";

export interface Shortcut {
  /** `Mod` is Command on a Mac and Control elsewhere. */
  readonly keys: string;
  readonly label: string;
  readonly group: "Go to" | "Notes" | "View";
  /** Works on every screen of an identity, not only among its notes. */
  readonly everywhere?: true;
  readonly run: (app: App, event: KeyboardEvent) => void;
}

/** Stands for any of the nine digits, wherever the layout has them. */
const DIGIT = "1…9";
/** Position that a digit key names, from 0. */
const positionOf = ({ code }: KeyboardEvent): number => Number(code.slice("Digit".length)) - 1;

/** What the help lists and the window listens to; one table, so that they cannot disagree. */
export const SHORTCUTS: readonly Shortcut[] = [
  {
    keys: "Mod+P",
    label: "Go to a note",
    group: "Go to",
    run: ({ navigation }) => navigation.open({ type: "switcher" }),
  },
  {
    keys: "Mod+K",
    label: "Go to a note (outside the text)",
    group: "Go to",
    run: ({ navigation }) => navigation.open({ type: "switcher" }),
  },
  { keys: "Mod+Shift+F", label: "Search everything", group: "Go to", run: ({ navigation }) => navigation.go("search") },
  {
    keys: "Mod+Shift+E",
    label: "Network and devices",
    group: "Go to",
    run: ({ navigation }) => navigation.go("network"),
  },
  {
    keys: `Mod+${DIGIT}`,
    label: "Switch identity",
    group: "Go to",
    everywhere: true,
    run: ({ identities }, event) => identities.selectAt(positionOf(event)),
  },
  { keys: "Mod+,", label: "Settings", group: "Go to", run: ({ navigation }) => navigation.open({ type: "settings" }) },
  {
    keys: "Mod+N",
    label: "New note",
    group: "Notes",
    run: ({ navigation, notebooks, documents }) => {
      if (!mayWrite(notebooks.selected())) return;
      navigation.go("notes");
      void documents.create();
    },
  },
  {
    keys: "Mod+Shift+N",
    label: "New notebook",
    group: "Notes",
    run: ({ navigation }) => navigation.open({ type: "newNotebook" }),
  },
  {
    keys: "Mod+Shift+M",
    label: "Move the note to a folder",
    group: "Notes",
    run: ({ navigation, notebooks, documents }) => {
      const document = documents.selectedId();
      if (document !== null && mayWrite(notebooks.selected())) navigation.open({ type: "moveNote", document });
    },
  },
  {
    keys: "Mod+Shift+H",
    label: "History of the note",
    group: "Notes",
    run: ({ navigation, documents, history }) => {
      if (documents.selectedId() === null) return;
      navigation.go("notes");
      history.toggle();
    },
  },
  {
    keys: "Mod+Shift+S",
    label: "Share the notebook",
    group: "Notes",
    run: ({ navigation, notebooks }) => {
      const notebook = notebooks.selected();
      if (notebook !== null) navigation.open({ type: "share", notebook: notebook.id });
    },
  },
  {
    keys: "Mod+Shift+L",
    label: "Lock",
    group: "View",
    run: ({ session, toasts }) => {
      if (session.vault()?.protection !== "passphrase") return;
      void session.lock().then((problem) => {
        if (problem !== null) toasts.fail(problem);
      });
    },
  },
  {
    keys: "Mod+\\",
    label: "Show or hide the sidebar",
    group: "View",
    run: ({ settings }) => settings.set("sidebarShown", !settings.current().sidebarShown),
  },
  {
    keys: "Mod+/",
    label: "Keyboard shortcuts",
    group: "View",
    run: ({ navigation }) => navigation.open({ type: "shortcuts" }),
  },
];

const isMac = /Mac|iPhone|iPad/u.test(navigator.platform);

/** Spelled as this computer's keyboards label it. */
export const keysLabel = (keys: string): string =>
  keys
    .split("+")
    .map((key) => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key === "Shift" && isMac ? "⇧" : key))
    .join(isMac ? "" : "+");

const matches = (shortcut: Shortcut, event: KeyboardEvent): boolean => {
  const parts = shortcut.keys.split("+");
  const key = parts.at(-1) ?? "";
  const shift = parts.includes("Shift");
  const mod = isMac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  /** "/" needs Shift on many layouts. */
  const shiftFits = shift === event.shiftKey || key === "/";
  // Where digits need Shift, the key is still the one with the digit on it.
  const keyFits = key === DIGIT ? /^Digit[1-9]$/u.test(event.code) : event.key.toLowerCase() === key.toLowerCase();
  return mod && !event.altKey && shiftFits && keyFits;
};

/** The shortcut an event asks for, unless something nearer, as the editor, has taken it. */
export const shortcutFor = (event: KeyboardEvent): Shortcut | undefined =>
  event.defaultPrevented ? undefined : SHORTCUTS.find((shortcut) => matches(shortcut, event));
