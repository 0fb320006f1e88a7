import { expect, test } from "vitest";
import { bfpsiQuota } from "../../protocol/bfpsi/bfpsi.ts";
import { createRunQuota } from "../../protocol/bfpsi/run-quota.ts";
import { createNobleProvider } from "../../protocol/crypto/noble-provider.ts";
import { createNobleVoprf } from "../../protocol/crypto/ristretto.ts";
import { monotonicMs } from "../../protocol/kernel/time.ts";
import {
  createIntersections,
  type IntersectionsEffect,
  type IntersectionsEvent,
} from "../../protocol/node/intersections.ts";
import { createVpsiGuards, vpsiQuota } from "../../protocol/vpsi/guards.ts";
import { runVpsiJob } from "../../protocol/vpsi/job.ts";
import { HANDSHAKE_HASH, LEFT_KEY, RIGHT_KEY, secretTopics } from "../support/psi-fixtures.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { namedTopics } from "../support/vpsi-fixtures.ts";

const crypto = createNobleProvider();
const voprf = createNobleVoprf();
const now = monotonicMs(0);

const side = (name: "left" | "right", topics: readonly [number, number], names: readonly string[]) =>
  createIntersections({
    crypto,
    random: createSeededRandom(`intersections/${name}`),
    channel: {
      handshakeHash: HANDSHAKE_HASH,
      local: name === "left" ? LEFT_KEY : RIGHT_KEY,
      remote: name === "left" ? RIGHT_KEY : LEFT_KEY,
    },
    peer: name === "left" ? "right" : "left",
    secretTopics: () => secretTopics(crypto, ...topics),
    names: () => namedTopics(names),
    keySeed: () => new Uint8Array(32).fill(3),
    quotas: {
      secretStarted: createRunQuota(bfpsiQuota),
      secretAnswered: createRunQuota(bfpsiQuota),
      namedStarted: createRunQuota(vpsiQuota),
      namedAnswered: createRunQuota(vpsiQuota),
      guards: createVpsiGuards(),
    },
  });

/** Everything both sides said and found, the left one asking. */
const run = (left: ReturnType<typeof side>, right: ReturnType<typeof side>) => {
  const sides = { left, right };
  const found = { left: [] as IntersectionsEffect[], right: [] as IntersectionsEffect[] };
  const wire: Uint8Array[] = [];
  const queue: { readonly to: "left" | "right"; readonly event: IntersectionsEvent }[] = [
    { to: "left", event: { type: "intersect" } },
  ];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to, event } = next;
    for (const effect of sides[to].handle(event, now)) {
      if (effect.type === "send") {
        wire.push(effect.bytes);
        queue.push({ to: to === "left" ? "right" : "left", event: { type: "bytesReceived", bytes: effect.bytes } });
      } else if (effect.type === "compute") {
        queue.push({ to, event: { type: "jobDone", job: effect.job, outcome: runVpsiJob(voprf, effect.work) } });
      } else found[to].push(effect);
    }
  }
  return { ...found, wire };
};

test("[NOD-11] one session compares secret topics first and names afterwards; no name or topic is on the wire", () => {
  const result = run(side("left", [0, 20], ["Gardening", "Chess"]), side("right", [18, 30], ["chess", "Go"]));
  expect(result.left).toEqual([
    { type: "intersectionFound", of: "secretTopics", startedBy: "us", common: ["topic 18", "topic 19"] },
    { type: "intersectionFound", of: "names", startedBy: "us", common: ["Chess"] },
  ]);
  expect(result.right).toEqual([
    { type: "intersectionFound", of: "secretTopics", startedBy: "peer", common: ["topic 18", "topic 19"] },
    { type: "intersectionFound", of: "names", startedBy: "peer", common: ["chess"] },
  ]);
  const spoken = Buffer.concat(result.wire).toString("latin1").toLowerCase();
  for (const word of ["chess", "gardening", "topic"]) expect(spoken).not.toContain(word);
  for (const element of secretTopics(crypto, 0, 30).values()) {
    expect(spoken).not.toContain(Buffer.from(element).toString("latin1").toLowerCase());
  }
});

test("[NOD-11] names are compared only when the side that asks agreed to compare any", () => {
  const result = run(side("left", [0, 3], []), side("right", [0, 3], ["Chess"]));
  expect(result.left).toHaveLength(1);
  expect(result.wire.every((bytes) => bytes[0] === 2)).toBe(true);
});

test("[NOD-11] bytes that do not decode are a violation with its rule", () => {
  const left = side("left", [0, 3], []);
  const rule = (bytes: number[]): unknown => left.handle({ type: "bytesReceived", bytes: Uint8Array.from(bytes) }, now);
  expect(rule([])).toEqual([{ type: "peerViolated", rule: "truncated" }]);
  expect(rule([9, 1])).toEqual([{ type: "peerViolated", rule: "BFP-7 protocol" }]);
  expect(rule([3, 9, 0, 0, 0, 0])).toEqual([{ type: "peerViolated", rule: "VPS-7 message" }]);
});

test("[NOD-11] a run without an answer ends at the deadline", () => {
  const left = side("left", [0, 3], []);
  left.handle({ type: "intersect" }, now);
  const deadline = left.nextDeadline();
  expect(deadline).toBe(15_000);
  expect(left.handle({ type: "deadlineReached" }, monotonicMs(15_000))).toEqual([
    { type: "runFailed", of: "secretTopics", startedBy: "us", fault: "timeout" },
  ]);
  expect(left.nextDeadline()).toBeUndefined();
});
