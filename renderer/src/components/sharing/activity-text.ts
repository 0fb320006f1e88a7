import type { Activity, ActivityType } from "../../../../app/contract/types.ts";

/** How the kinds of activity are called in the filter. */
export const ACTIVITY_LABELS: Readonly<Record<ActivityType, string>> = {
  edited: "Edits",
  created: "Notebook made",
  roleSet: "Roles given",
  removed: "Removals",
  left: "Departures",
  joined: "Joined by link",
  invited: "Invites",
  inviteRevoked: "Invites revoked",
  transferred: "Handed over",
  keysChanged: "Keys changed",
  keysShared: "Keys given",
  devicesChanged: "Devices",
  settingsChanged: "Settings",
  sessionFrozen: "Frozen sessions",
};

/** Why an act without effect has none. */
const EFFECTS: Readonly<Record<Activity["effect"], string>> = {
  valid: "",
  adopted: "",
  pending: "waits for earlier acts that have not arrived",
  overruled: "had no effect: the owner had decided otherwise at the same time",
  unauthorised: "had no effect: not theirs to do",
  void: "does not count: written after their membership ended",
};

const list = new Intl.ListFormat("en", { type: "conjunction" });
const GIVEN = {
  reader: "read",
  writer: "read and edit",
  admin: "manage the notebook as an admin",
  owner: "own it",
} as const;

const sentenceOf = (activity: Activity, self: string | null): string => {
  const { actor, members, role } = activity;
  const own = actor.id === self;
  const others = list.format(members.map(({ id, name }) => (id === self ? (own ? "yourself" : "you") : name)));
  const theirs = own ? "your" : "their";
  switch (activity.type) {
    case "created":
      return "made the notebook";
    case "roleSet":
      return `let ${others} ${GIVEN[role ?? "reader"]}`;
    case "removed":
      return `removed ${others} and changed the keys`;
    case "left":
      return "left the notebook";
    case "joined":
      return others === "" ? "joined by a link" : `let ${others} in by a link`;
    case "invited":
      return `made an invite link${role === null ? "" : ` for people who may ${GIVEN[role]}`}`;
    case "inviteRevoked":
      return "revoked an invite link";
    case "transferred":
      return `handed the notebook over to ${others}`;
    case "keysChanged":
      return "changed the keys";
    case "keysShared":
      return "gave keys to a device that lacked them";
    case "devicesChanged":
      return `changed ${theirs} devices`;
    case "settingsChanged":
      return "changed the notebook’s settings";
    case "sessionFrozen":
      return "showed that somebody wrote two histories at once, and froze them";
    case "edited":
      return "edited";
  }
};

export interface ActivityText {
  readonly who: string;
  /** What was done, continuing `who`. */
  readonly what: string;
  /** Why it has no effect; "" where it has. */
  readonly effect: string;
}

export const activityText = (activity: Activity, self: string | null): ActivityText => ({
  who: activity.actor.id === self ? "You" : activity.actor.name,
  what: sentenceOf(activity, self),
  effect: EFFECTS[activity.effect],
});
