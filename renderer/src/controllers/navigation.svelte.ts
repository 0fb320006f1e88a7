/** What stands beside the sidebar. */
type Place = "notes" | "search" | "network";

/** What the share dialog shows of a notebook. */
export type ShareTab = "invites" | "members" | "activity" | "copies";

/** The one dialog that may be open. */
export type DialogState =
  | { readonly type: "switcher" }
  | { readonly type: "shortcuts" }
  /** `deviceLink`: a new device's, that the system asked to open; it is added only when the person says so. */
  | { readonly type: "settings"; readonly deviceLink?: string }
  | { readonly type: "confirmPhrase" }
  | { readonly type: "newNotebook" }
  | { readonly type: "renameNotebook"; readonly notebook: string }
  | { readonly type: "share"; readonly notebook: string; readonly tab?: ShareTab }
  /** `link`: one that the system asked to open; it is joined only when the person says so. */
  | { readonly type: "join"; readonly link?: string }
  | { readonly type: "import"; readonly notebook: string | null }
  | { readonly type: "export"; readonly notebook: string }
  | { readonly type: "nameVersion"; readonly heads: readonly string[] }
  | { readonly type: "moveNote"; readonly document: string };

export interface Navigation {
  readonly place: () => Place;
  readonly dialog: () => DialogState | null;
  readonly go: (place: Place) => void;
  readonly open: (dialog: DialogState) => void;
  readonly close: () => void;
}

export const createNavigation = (): Navigation => {
  let place = $state<Place>("notes");
  let dialog = $state.raw<DialogState | null>(null);
  return {
    place: () => place,
    dialog: () => dialog,
    go: (next) => {
      place = next;
    },
    open: (next) => {
      dialog = next;
    },
    close: () => {
      dialog = null;
    },
  };
};
