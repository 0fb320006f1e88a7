import type { Standing } from "../../../../app/contract/types.ts";

/** What a person's mark means. */
export const STANDING_TEXT: Readonly<Record<Standing, string>> = {
  verified: "Verified: you compared the digits",
  known: "Known, not verified",
  new: "Not met before",
  namesake: "Another key under a name you know",
  blocked: "Blocked",
};
