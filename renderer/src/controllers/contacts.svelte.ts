import type { Api } from "../../../app/contract/create-api.ts";
import type { ContractError } from "../../../app/contract/errors.ts";
import type { Contact, ContactCard, Invitation } from "../../../app/contract/people.ts";
import type { Problem } from "../errors.ts";
import { problemOf } from "../errors.ts";
import type { EventHub } from "./event-hub.ts";
import { createRefresh } from "./refresh.ts";

/** The people this identity knows. */
export interface Contacts {
  /** By name. */
  readonly list: () => readonly Contact[];
  readonly loaded: () => boolean;
  readonly problem: () => Problem | null;
  readonly reload: () => Promise<void>;
  readonly card: () => Promise<ContactCard | Problem>;
  readonly add: (link: string) => Promise<Contact | Problem>;
  /** "" takes the given name away. */
  readonly rename: (contact: string, name: string) => Promise<Problem | null>;
  readonly verify: (contact: string, digits: string) => Promise<Problem | null>;
  readonly unverify: (contact: string) => Promise<Problem | null>;
  readonly block: (contact: string, blocked: boolean) => Promise<Problem | null>;
  readonly remove: (contact: string) => Promise<Problem | null>;
  /** Makes them a member of a notebook at once, and leaves them a letter. */
  readonly invite: (contact: string, notebook: string, role: "reader" | "writer") => Promise<Problem | null>;
  /** Notebooks others have let this identity into, which wait for an answer. */
  readonly invitations: () => readonly Invitation[];
  readonly answer: (invitation: string, type: "accept" | "decline") => Promise<Problem | null>;
}

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ContractError };

const collator = new Intl.Collator();

export const createContacts = (api: Api, hub: EventHub): Contacts => {
  let list = $state.raw<readonly Contact[]>([]);
  let invitations = $state.raw<readonly Invitation[]>([]);
  let loaded = $state(false);
  let problem = $state.raw<Problem | null>(null);

  const reload = createRefresh(async () => {
    const [answer, letters] = await Promise.all([api.call("contacts.list"), api.call("invitations.list")]);
    if (letters.ok) invitations = letters.value;
    if (answer.ok) list = answer.value.toSorted((a, b) => collator.compare(a.name, b.name));
    problem = answer.ok ? null : problemOf(answer.error);
    loaded = true;
  });
  hub.on("contactsChanged", () => void reload());
  hub.on("invitesChanged", () => void reload());
  hub.on("membersChanged", () => {
    if (loaded) void reload();
  });
  hub.on("peersChanged", () => {
    if (loaded) void reload();
  });

  const act = async (call: Promise<Answer<unknown>>): Promise<Problem | null> => {
    const answer = await call;
    if (!answer.ok) return problemOf(answer.error);
    void reload();
    return null;
  };

  return {
    list: () => list,
    loaded: () => loaded,
    problem: () => problem,
    reload,
    card: async () => {
      const answer = await api.call("contacts.card");
      return answer.ok ? answer.value : problemOf(answer.error);
    },
    add: async (link) => {
      const answer = await api.call("contacts.add", { link });
      if (!answer.ok) return problemOf(answer.error);
      await reload();
      return answer.value;
    },
    rename: (contact, name) => act(api.call("contacts.rename", { contact, name })),
    verify: (contact, digits) => act(api.call("contacts.verify", { contact, digits })),
    unverify: (contact) => act(api.call("contacts.unverify", { contact })),
    block: (contact, blocked) => act(api.call("contacts.block", { contact, blocked })),
    remove: (contact) => act(api.call("contacts.remove", { contact })),
    invite: (contact, notebook, role) => act(api.call("contacts.invite", { contact, notebook, role })),
    invitations: () => invitations,
    answer: async (id, type) => {
      const answer = await api.call(type === "accept" ? "invitations.accept" : "invitations.decline", { id });
      if (!answer.ok) return problemOf(answer.error);
      invitations = invitations.filter((invitation) => invitation.id !== id);
      return null;
    },
  };
};
