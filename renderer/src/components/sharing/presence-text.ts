import type { Member } from "../../../../app/contract/types.ts";
import { shortTime } from "../shared/relative-time.ts";

/** Whether somebody is connected to this computer, and when they last were: all that it can know without a server. */
export const presenceText = (
  { self, online, seenAt }: Pick<Member, "self" | "online" | "seenAt">,
  now: number,
): string => {
  if (self) return "This computer";
  if (online) return "Connected now";
  return seenAt === null ? "Not met from this computer yet" : `Last connected: ${shortTime(seenAt, now)}`;
};
