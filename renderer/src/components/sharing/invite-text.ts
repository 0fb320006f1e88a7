import type { PendingInvite } from "../../../../app/contract/types.ts";

type State = PendingInvite["state"];

/** What the person who joins reads; `message` of the node is shown below it. */
const OUTGOING: Readonly<Record<State, { readonly title: string; readonly text: string }>> = {
  connecting: {
    title: "Looking for the other side",
    text: "The inviting computer has to be reachable, on this network or at the address in the link.",
  },
  requested: {
    title: "Waiting to be let in",
    text: "Compare this number with the one on their screen, by voice or side by side. If it differs, stop.",
  },
  approved: { title: "You were let in", text: "The notebook’s keys are on their way." },
  joined: { title: "You are a member", text: "The notes arrive now; you can already open the notebook." },
  declined: { title: "You were not let in", text: "The other side declined. Ask them if that was meant." },
  expired: { title: "The invite has expired", text: "Ask for a new link." },
  failed: { title: "That did not work", text: "Nothing was shared. You can try the link again." },
};

const INCOMING: Readonly<Record<State, string>> = {
  connecting: "The link was not used yet.",
  requested: "Wants to join",
  approved: "Let in; their computer is fetching the keys.",
  joined: "Joined",
  declined: "Declined",
  expired: "The link has expired.",
  failed: "The joining failed.",
};

export const outgoingText = (state: State) => OUTGOING[state];
export const incomingText = (state: State): string => INCOMING[state];
