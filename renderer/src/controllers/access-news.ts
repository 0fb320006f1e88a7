import type { Notebook, Role } from "../../../app/contract/types.ts";

const GAINED: Readonly<Record<Role, string>> = {
  reader: "You can read this notebook now, not change it",
  writer: "You can edit this notebook now",
  admin: "You are an admin of this notebook now",
  owner: "You own this notebook now",
};
const RANK: Readonly<Record<Role, number>> = { reader: 0, writer: 1, admin: 2, owner: 3 };

/** What to tell somebody whose rights in a notebook others have changed; null for what they did themselves, or waited for. */
export const accessNews = (
  before: Notebook,
  after: Notebook,
): { readonly heading: string; readonly isLoss: boolean } | null => {
  if (before.membership === "active" && after.membership === "removed")
    return { heading: "You were removed from a notebook", isLoss: true };
  // Leaving and handing over are one's own acts; joining has a notice of its own.
  if (before.membership !== "active" || after.membership !== "active") return null;
  if (before.role === after.role || before.role === "owner") return null;
  return { heading: GAINED[after.role], isLoss: RANK[after.role] < RANK[before.role] };
};
