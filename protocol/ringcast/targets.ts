import type { NodeId } from "../identity/node-id.ts";
import type { VerifiedDescriptor } from "../identity/verified.ts";
import { randomBelow, type RandomSource } from "../kernel/random.ts";

/** Links of one topic, as the layers below know them at this moment. */
export interface RingLinks {
  /** Next members clockwise, nearest first. */
  readonly successors: readonly VerifiedDescriptor[];
  /** Next members counter-clockwise, nearest first. */
  readonly predecessors: readonly VerifiedDescriptor[];
  /** Any other members known; may repeat itself and the ring. */
  readonly members: readonly VerifiedDescriptor[];
}

export type Direction = "successor" | "predecessor";
export interface Targets {
  readonly ring: readonly { readonly descriptor: VerifiedDescriptor; readonly direction: Direction }[];
  readonly random: readonly VerifiedDescriptor[];
}

/**
 * Where a message goes on (paper section 4): what came over a ring link leaves over the other one, anything else leaves
 * both ways; random members fill up to `fanout`. The link counts, not the order of ids: a message from the second
 * successor may well have missed the first.
 */
export const targetsOf = (
  links: RingLinks,
  from: NodeId | undefined,
  fanout: number,
  random: RandomSource,
): Targets => {
  const successor = links.successors[0];
  const predecessor = links.predecessors[0];
  const isPair = successor === undefined || predecessor === undefined || successor.id === predecessor.id;
  const ring: { descriptor: VerifiedDescriptor; direction: Direction }[] = [];
  const goesForward = from === undefined || isPair || from !== successor.id;
  const goesBack = from === undefined || isPair || from !== predecessor.id;
  if (successor !== undefined && goesForward && successor.id !== from)
    ring.push({ descriptor: successor, direction: "successor" });
  if (predecessor !== undefined && goesBack && predecessor.id !== from && predecessor.id !== ring[0]?.descriptor.id)
    ring.push({ descriptor: predecessor, direction: "predecessor" });
  return { ring, random: sampleMembers(links.members, fanout - ring.length, from, ring, random) };
};

/** Draws by rejection: members are many and exclusions few, so copying the list to shuffle it would cost more. */
const DRAWS_PER_MEMBER = 8;

/** Up to `count` distinct members that are neither `from` nor among `ring`. */
export const sampleMembers = (
  members: readonly VerifiedDescriptor[],
  count: number,
  from: NodeId | undefined,
  ring: readonly { readonly descriptor: VerifiedDescriptor }[],
  random: RandomSource,
): VerifiedDescriptor[] => {
  const chosen: VerifiedDescriptor[] = [];
  const isFree = (member: VerifiedDescriptor): boolean => {
    if (member.id === from) return false;
    for (const { descriptor } of ring) if (descriptor.id === member.id) return false;
    for (const descriptor of chosen) if (descriptor.id === member.id) return false;
    return true;
  };
  if (count <= 0 || members.length === 0) return chosen;
  for (let draw = 0; draw < DRAWS_PER_MEMBER * count && chosen.length < count; draw++) {
    const member = members[randomBelow(random, members.length)] as VerifiedDescriptor;
    if (isFree(member)) chosen.push(member);
  }
  const start = randomBelow(random, members.length);
  for (let i = 0; i < members.length && chosen.length < count; i++) {
    const member = members[(start + i) % members.length] as VerifiedDescriptor;
    if (isFree(member)) chosen.push(member);
  }
  return chosen;
};
