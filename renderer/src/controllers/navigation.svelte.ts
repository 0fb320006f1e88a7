/** What stands beside the sidebar. */
type Place = "notes" | "search" | "network" | "people";

/** What the share dialog shows of a notebook. */
export type ShareTab = "invites" | "members" | "activity" | "copies";

/** The one dialog that may be open. */
export type DialogState =
  | { readonly type: "switcher" }
  | { readonly type: "shortcuts" }
  /** `deviceLink`: a new device's, that the system asked to open; it is added only when the person says so. */
  | { readonly type: "settings"; readonly deviceLink?: string }
  | { readonly type: "confirmPhrase" }
  /** Name and colour of this identity on this computer. */
  | { readonly type: "editIdentity" }
  | { readonly type: "removeIdentity" }
  /** `link`: one that the system asked to open, and that any of several identities may be meant by. */
  | { readonly type: "chooseIdentity"; readonly link: string }
  | { readonly type: "newNotebook" }
  | { readonly type: "renameNotebook"; readonly notebook: string }
  | { readonly type: "share"; readonly notebook: string; readonly tab?: ShareTab }
  /** `link`: one that the system asked to open; it is joined only when the person says so. */
  | { readonly type: "join"; readonly link?: string }
  | { readonly type: "ownCard" }
  /** `link`: a contact card that the system asked to open. */
  | { readonly type: "addContact"; readonly link?: string }
  | { readonly type: "import"; readonly notebook: string | null }
  | { readonly type: "export"; readonly notebook: string }
  | { readonly type: "nameVersion"; readonly heads: readonly string[] }
  | { readonly type: "moveNote"; readonly document: string }
  | { readonly type: "shareNote"; readonly document: string }
  | { readonly type: "notices" }
  | { readonly type: "forgetNotebook"; readonly notebook: string };

export interface Navigation {
  readonly place: () => Place;
  readonly dialog: () => DialogState | null;
  readonly go: (place: Place) => void;
  /** The person shown among the people; null for nobody. */
  readonly person: () => string | null;
  readonly showPerson: (id: string | null) => void;
  readonly open: (dialog: DialogState) => void;
  readonly close: () => void;
}

export const createNavigation = (): Navigation => {
  let place = $state<Place>("notes");
  let person = $state<string | null>(null);
  let dialog = $state.raw<DialogState | null>(null);
  return {
    place: () => place,
    dialog: () => dialog,
    go: (next) => {
      place = next;
    },
    person: () => person,
    showPerson: (id) => {
      person = id;
      place = "people";
    },
    open: (next) => {
      dialog = next;
    },
    close: () => {
      dialog = null;
    },
  };
};
