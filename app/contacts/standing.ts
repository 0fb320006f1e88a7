import type { Standing } from "../contract/types.ts";
import type { ContactRecord } from "./contact-record.ts";

/** Names that look the same to a hurried reader are the same: case, width and white space do not matter. */
const sameName = (one: string, two: string): boolean => one !== "" && fold(one) === fold(two);
const fold = (name: string): string => name.normalize("NFKC").toLowerCase().replaceAll(/\s+/gu, " ").trim();

export const shownName = (id: string, { name, called }: Pick<ContactRecord, "name" | "called">): string =>
  name !== "" ? name : called !== "" ? called : `Member ${id.slice(0, 8)}`;

/**
 * Whose name somebody of another key goes by: a verified person first, else whoever was known earlier. An identity's key never
 * changes, so a person who comes with another key is another identity under a known name.
 */
export const namesakeOf = (
  records: ReadonlyMap<string, ContactRecord>,
  id: string,
  called: string,
): string | undefined => {
  const own = records.get(id);
  if (own !== undefined && own.verifiedAt !== null) return undefined;
  const names = [called, own?.name ?? "", own?.called ?? ""];
  const alike = [...records].filter(
    ([other, record]) =>
      other !== id &&
      record.state !== "removed" &&
      names.some((name) => sameName(name, record.name) || sameName(name, record.called)),
  );
  const verified = alike.find(([, { verifiedAt }]) => verifiedAt !== null);
  const since = own?.firstSeen ?? Number.POSITIVE_INFINITY;
  return (verified ?? alike.find(([, { firstSeen }]) => firstSeen < since))?.[0];
};

/** What is known of somebody who calls themselves `called`. */
export const standingOf = (records: ReadonlyMap<string, ContactRecord>, id: string, called: string): Standing => {
  const record = records.get(id);
  if (record?.state === "blocked") return "blocked";
  if (record !== undefined && record.state === "known" && record.verifiedAt !== null) return "verified";
  if (namesakeOf(records, id, called) !== undefined) return "namesake";
  return record?.state === "known" ? "known" : "new";
};
