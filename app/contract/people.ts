import type { Role, Standing } from "./types.ts";

/** A person this identity shares a notebook with, or whose contact card it took. */
export interface Contact {
  /** Fingerprint of their root key, 64 hex digits. */
  readonly id: string;
  /** Name given to them here, else the one they go by. */
  readonly name: string;
  /** Name they go by, "" while none was seen. */
  readonly called: string;
  readonly standing: Standing;
  /** Whose name they go by although their key is another one; null for nobody's. */
  readonly namesake: { readonly id: string; readonly name: string; readonly verified: boolean } | null;
  /** Unix milliseconds; null while the digits were never compared. */
  readonly verifiedAt: number | null;
  /** 30 digits in six groups, the same on both sides. */
  readonly digits: string;
  readonly firstSeen: number;
  /** Notebooks that both belong to. */
  readonly notebooks: readonly { readonly id: string; readonly title: string; readonly role: Role }[];
  readonly devices: readonly {
    readonly id: string;
    readonly online: boolean;
    /** When it was last connected to this device, Unix milliseconds; null while it never was. */
    readonly seenAt: number | null;
  }[];
  /** Whether a contact card of theirs is here: then they can be invited directly. */
  readonly hasCard: boolean;
}

/** Somebody made this identity a member of a notebook of theirs and says so. */
export interface Invitation {
  readonly id: string;
  readonly notebook: string;
  readonly title: string;
  readonly role: "reader" | "writer";
  readonly from: { readonly id: string; readonly name: string; readonly standing: Standing };
  /** When it was read here first since the start, Unix milliseconds. */
  readonly at: number;
}

/** The own contact card, to be handed to others. */
export interface ContactCard {
  readonly link: string;
  readonly name: string;
}
