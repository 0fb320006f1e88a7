import { expect, test } from "vitest";
import { createEngineCore } from "../../main/engine/engine-core.ts";
import { REMEMBERED_CHANGES } from "../../protocol/replica/history.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import { automergeDependencies } from "../support/automerge-dependencies.ts";

test("P-ENGINE-5 a change that builds on one far older than a replica remembers is in the note when it is loaded", () => {
  const replica = createReplica(automergeDependencies, "aa".repeat(16));
  const late = createReplica(automergeDependencies, "bb".repeat(16));
  let text = "";
  const changes: Uint8Array[] = [];
  for (let i = 0; i < 2 * REMEMBERED_CHANGES + 100; i++) {
    const change = replica.change({ time: 0 }, (transaction) => {
      if (i === 0) text = transaction.putText("_root", "text", "");
      else transaction.splice(text, i - 1, 0, "x");
    });
    if (change === undefined) throw new Error("no change");
    changes.push(change.bytes);
    if (i < 10) late.applyChanges([change.bytes]);
  }
  const onOldOne = late.change({ time: 0 }, (transaction) => transaction.splice(text, 0, 0, "late "));
  if (onOldOne === undefined) throw new Error("no change");
  const engine = createEngineCore({
    ...automergeDependencies,
    automergeFile: () => new Uint8Array(),
    automergeChanges: () => [],
    memory: () => 0,
  });
  engine.handle({ type: "load", key: 1, source: { snapshot: null, changes: [...changes, onOldOne.bytes] } });
  const facts = engine.handle({ type: "facts", key: 1 });
  if (!facts.ok) throw new Error(facts.error.type);
  expect((facts.value as { readonly text: string }).text.slice(0, 8)).toBe("late xxx");
}, 120_000);
