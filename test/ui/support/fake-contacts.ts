import type { ContractError, ErrorType } from "../../../app/contract/errors.ts";
import type { Handlers } from "../../../app/contract/handlers.ts";
import type { Contact, Invitation } from "../../../app/contract/people.ts";
import type { AppEvent, Identity, Member, Notebook } from "../../../app/contract/types.ts";
import type { Err, Ok } from "../../../protocol/kernel/result.ts";

interface ContactsWorld {
  identity: Identity | null;
  notebooks: readonly Notebook[];
  members: Readonly<Record<string, readonly Member[]>>;
  contacts: readonly Contact[];
  invitations: readonly Invitation[];
}

/** The people the node in memory knows. */
export const fakeContacts = ({
  world,
  answer,
  refuse,
  emit,
  nextId,
}: {
  readonly world: ContactsWorld;
  readonly answer: <T>(value: T) => Promise<Ok<T>>;
  readonly refuse: (type: ErrorType) => Promise<Err<ContractError>>;
  readonly emit: (event: AppEvent) => void;
  readonly nextId: (bytes: number) => string;
}): Pick<Handlers, Extract<keyof Handlers, `contacts.${string}` | `invitations.${string}`>> => {
  const answerInvitation = (id: string) => {
    world.invitations = world.invitations.filter((invitation) => invitation.id !== id);
    return answer(null);
  };
  const replaceContact = (id: string, change: (before: Contact) => Partial<Contact>) => {
    const before = world.contacts.find((contact) => contact.id === id);
    if (before === undefined) return refuse("ContactNotFound");
    const after = { ...before, ...change(before) };
    world.contacts = world.contacts.map((contact) => (contact.id === id ? after : contact));
    emit({ type: "contactsChanged" });
    return answer(after);
  };
  return {
    "contacts.list": () => answer(world.contacts),
    "contacts.card": () => answer({ link: `p2pc:c/${"AbCd".repeat(120)}`, name: world.identity?.name ?? "" }),
    "contacts.add": ({ link, name }) => {
      if (!link.startsWith("p2pc:c/")) return refuse("BadContactLink");
      const contact: Contact = {
        id: nextId(32),
        name: name ?? "Grace Hopper",
        called: "Grace Hopper",
        standing: "known",
        namesake: null,
        verifiedAt: null,
        digits: "10293 84756 10293 84756 10293 84756",
        firstSeen: 0,
        notebooks: [],
        devices: [],
        hasCard: true,
      };
      world.contacts = [...world.contacts, contact];
      emit({ type: "contactsChanged" });
      return answer(contact);
    },
    "contacts.rename": ({ contact, name }) =>
      replaceContact(contact, ({ called }) => ({ name: name === "" ? called : name })),
    "contacts.verify": ({ contact, digits }) => {
      const right = world.contacts.find(({ id }) => id === contact)?.digits.replaceAll(" ", "");
      if (right !== undefined && digits.replaceAll(/\s/gu, "") !== right) return refuse("DigitsDiffer");
      return replaceContact(contact, () => ({ standing: "verified", verifiedAt: 1 }));
    },
    "contacts.unverify": ({ contact }) => replaceContact(contact, () => ({ standing: "known", verifiedAt: null })),
    "contacts.block": ({ contact, blocked }) =>
      replaceContact(contact, () => ({ standing: blocked ? "blocked" : "known" })),
    "contacts.invite": ({ contact, notebook }) => {
      const found = world.notebooks.find(({ id }) => id === notebook);
      if (found === undefined) return refuse("NotebookNotFound");
      world.contacts = world.contacts.map((one) =>
        one.id === contact
          ? { ...one, notebooks: [...one.notebooks, { id: notebook, title: found.title, role: "writer" }] }
          : one,
      );
      emit({ type: "contactsChanged" });
      return answer(world.members[notebook] ?? []);
    },
    "invitations.list": () => answer(world.invitations),
    "invitations.accept": ({ id }) => answerInvitation(id),
    "invitations.decline": ({ id }) => answerInvitation(id),
    "contacts.remove": ({ contact }) => {
      world.contacts = world.contacts.filter(({ id }) => id !== contact);
      emit({ type: "contactsChanged" });
      return answer(null);
    },
  };
};
