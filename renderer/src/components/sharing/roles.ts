import type { Member, Role } from "../../../../app/contract/types.ts";

/** The roles a member can be given; the owner's is handed over instead. */
export type GivenRole = Exclude<Role, "owner">;

export const GIVEN_ROLES: readonly GivenRole[] = ["reader", "writer", "admin"];

export const ROLE_LABELS: Readonly<Record<Role, string>> = {
  reader: "Can read",
  writer: "Can edit",
  admin: "Admin",
  owner: "Owner",
};

/** What each role may do, as a sentence. */
export const ROLE_MEANINGS: Readonly<Record<Role, string>> = {
  reader: "Reads every note and its whole history. Changes nothing.",
  writer: "Also writes: notes, folders, tags, files and names of versions.",
  admin: "Also invites people, lets them in, removes readers and writers and sets what they may do.",
  owner: "Also makes admins, removes them, and hands the notebook over. Exactly one person.",
};

export const mayManage = (own: Role): boolean => own === "admin" || own === "owner";

/** The roles that somebody of role `own` may give this member, the present one included; none when it is not theirs to change. */
export const offeredRoles = (own: Role, member: Member): readonly GivenRole[] => {
  if (member.self || member.role === "owner" || !mayManage(own)) return [];
  if (own === "owner") return GIVEN_ROLES;
  return member.role === "admin" ? [] : ["reader", "writer"];
};

/** Why somebody who manages members cannot change this one; "" where they can, or where it needs no word. */
export const whyFixed = (own: Role, member: Member): string => {
  if (!mayManage(own) || member.self || offeredRoles(own, member).length > 0) return "";
  return member.role === "owner"
    ? "Only the owner can hand the notebook over."
    : "Only the owner can change or remove an admin.";
};
