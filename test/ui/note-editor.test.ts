import { fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import type { Api } from "../../app/contract/create-api.ts";
import { createApi } from "../../app/contract/create-api.ts";
import type { ContractError } from "../../app/contract/errors.ts";
import { contractError } from "../../app/contract/errors.ts";
import type { OpenDocumentEvent } from "../../app/contract/types.ts";
import { markdownToSpans } from "../../app/markdown/markdown-to-spans.ts";
import { spansToText } from "../../app/markdown/spans-to-text.ts";
import { readSpans } from "../../app/repositories/note-schema.ts";
import type { Result } from "../../protocol/kernel/result.ts";
import { err, ok } from "../../protocol/kernel/result.ts";
import { createReplica } from "../../protocol/replica/replica.ts";
import type { Replica } from "../../protocol/replica/types.ts";
import NoteEditor from "../../renderer/src/editors/note-editor/NoteEditor.svelte";
import { automergeDependencies } from "../support/automerge-dependencies.ts";
import { expectAccessible } from "./support/render-app.ts";

const MARKDOWN = "# Head\n\nHello **big** world\n\n- [ ] task\n1. one\n2. two\n\n> said\n";

/** The node's side of one open note: takes changes, passes on what others do. */
const createNoteNode = (markdown = MARKDOWN) => {
  const replica = createReplica(automergeDependencies, "0a".repeat(16));
  const created = replica.change({ time: 0 }, (transaction) => {
    transaction.putText("_root", "title", "My note");
    const text = transaction.putText("_root", "text", "");
    let at = 0;
    for (const span of markdownToSpans(markdown).spans) {
      if (span.type === "block") transaction.splitBlock(text, at++, span.value);
      else {
        transaction.splice(text, at, 0, span.value);
        at += span.value.length;
      }
    }
  });
  if (created === undefined) throw new Error("no change");
  const log: Uint8Array[] = [created.bytes];
  const byHash = new Map<string, Uint8Array>();
  const calls: { readonly name: string; readonly input: unknown }[] = [];
  const leases: string[] = [];
  let emit: ((message: Result<OpenDocumentEvent, ContractError>) => void) | undefined;
  let answerApply: () => Result<unknown, ContractError> = () => ok({ heads: [] });
  const openAs = (writable: boolean): Api =>
    createApi({
      invoke: async (name, input) => {
        calls.push({ name, input });
        if (name === "documents.recall") {
          const { changes } = input as { readonly changes: readonly string[] };
          return ok({ changes: changes.flatMap((hash) => byHash.get(hash) ?? []) });
        }
        if (name !== "documents.apply") return ok(null);
        const answer = answerApply();
        if (answer.ok) {
          const { changes } = input as { readonly changes: readonly Uint8Array[] };
          replica.applyChanges(changes);
          log.push(...changes);
        }
        return answer;
      },
      subscribe: (_name, _input, listener) => {
        const lease = (leases.length + 1).toString(16).padStart(32, "0");
        leases.push(lease);
        emit = listener;
        listener(
          ok({
            type: "opened",
            lease,
            actor: leases.length.toString(16).padStart(2, "0").repeat(16),
            title: "My note",
            writable,
            snapshot: null,
            changes: [...log],
          } satisfies OpenDocumentEvent),
        );
        return () => undefined;
      },
    });
  const text = replica.objectAt(["text"]) ?? "";
  return {
    replica,
    calls,
    leases,
    openAs,
    emit: (event: OpenDocumentEvent) => emit?.(ok(event)),
    fail: (error: ContractError) => emit?.(err(error)),
    answerApply: (answer: () => Result<unknown, ContractError>) => {
      answerApply = answer;
    },
    edit: (run: Parameters<Replica["change"]>[1]) => {
      const change = replica.change({ time: 1 }, run);
      if (change === undefined) throw new Error("no change");
      log.push(change.bytes);
      emit?.(ok({ type: "changes", changes: [change.bytes] }));
    },
    /** A change that the node has and the editor is never told of, as one that its replica has forgotten. */
    editUnseen: (run: Parameters<Replica["change"]>[1]) => {
      const change = replica.change({ time: 1 }, run);
      if (change === undefined) throw new Error("no change");
      byHash.set(change.hash, change.bytes);
    },
    textId: text,
    text: () => spansToText(readSpans(replica.spans(text))),
  };
};

const show = (node: ReturnType<typeof createNoteNode>, writable = true) => {
  const titles: string[] = [];
  const errors: ContractError[] = [];
  const opened: string[] = [];
  render(NoteEditor, {
    target: document.body.appendChild(document.createElement("main")),
    props: {
      api: node.openAs(writable),
      document: "00",
      onTitle: (title: string) => titles.push(title),
      onError: (error: ContractError) => errors.push(error),
      onOpenDocument: (document: string) => opened.push(document),
    },
  });
  return { titles, errors, opened, textbox: screen.getByRole("textbox", { name: "Text of the note" }) };
};

describe("the note editor", () => {
  test("shows the note, names its tools and passes the accessibility rules", async () => {
    const { textbox, titles } = show(createNoteNode());
    expect(within(textbox).getByRole("heading", { level: 1 }).textContent).toBe("Head");
    expect(within(textbox).getByRole("checkbox", { name: "To do" }).getAttribute("aria-checked")).toBe("false");
    expect([...textbox.querySelectorAll("[data-number]")].map((item) => item.getAttribute("data-number"))).toEqual([
      "1.",
      "2.",
    ]);
    expect(titles).toEqual(["My note"]);
    for (const name of ["Bold", "Italic", "Link", "Bullet list", "Task list", "Undo"])
      screen.getByRole("button", { name });
    await expectAccessible();
  });

  test("ticks a task, sends the change and takes it back", async () => {
    const node = createNoteNode();
    const { textbox } = show(node);
    await fireEvent.click(within(textbox).getByRole("checkbox"));
    await waitFor(() => expect(node.calls.some(({ name }) => name === "documents.apply")).toBe(true));
    expect(JSON.stringify(node.replica.spans(node.textId))).toContain('"checked":true');
    await fireEvent.click(screen.getByRole("button", { name: "Undo" }));
    await waitFor(() => expect(JSON.stringify(node.replica.spans(node.textId))).toContain('"checked":false'));
  });

  test("asks the node for what a change builds on when the editor does not know it", async () => {
    const node = createNoteNode();
    const { textbox } = show(node);
    node.editUnseen((transaction) => transaction.splice(node.textId, 6, 0, "Dear "));
    node.editUnseen((transaction) => transaction.splice(node.textId, 11, 0, "old "));
    node.edit((transaction) => transaction.splice(node.textId, 15, 0, "reader, "));
    expect(textbox.textContent).not.toContain("reader");
    await waitFor(() => expect(textbox.textContent).toContain("Dear old reader, Hello"), { timeout: 5_000 });
  });

  test("shows what others change, their caret, and the title as it is typed", async () => {
    const node = createNoteNode();
    const { textbox, titles } = show(node);
    node.edit((transaction) => transaction.splice(node.textId, 6, 0, "Dear reader, "));
    await waitFor(() => expect(textbox.textContent).toContain("Dear reader, Hello"));
    const cursor = node.replica.cursor(node.textId, 8);
    node.emit({ type: "presence", present: [{ peer: "p", name: "Ines", cursor: JSON.stringify([cursor, cursor]) }] });
    await waitFor(() => expect(textbox.querySelector<HTMLElement>(".remote-caret")?.dataset["name"]).toBe("Ines"));
    node.emit({ type: "presence", present: [{ peer: "p", name: "Ines", cursor: '{"hostile":true}' }] });
    await waitFor(() => expect(textbox.querySelector(".remote-caret")).toBeNull());
    const title = node.replica.objectAt(["title"]) ?? "";
    node.edit((transaction) => transaction.splice(title, 0, 2, "Our"));
    await waitFor(() => expect(titles.at(-1)).toBe("Our note"));
  });

  test("only shows a note that may not be written", () => {
    const { textbox } = show(createNoteNode(), false);
    expect(textbox.getAttribute("contenteditable")).toBe("false");
    expect(screen.queryByRole("toolbar")).toBeNull();
    expect(within(textbox).getByRole<HTMLButtonElement>("checkbox").disabled).toBe(true);
    screen.getByText(/You can read this note/u);
  });

  test("says why a note cannot be shown", async () => {
    const node = createNoteNode();
    show(node);
    node.fail(contractError("EngineFailed"));
    await screen.findByText(/could not be computed/u);
  });

  test("opens anew when its lease ended and delivers what was not taken", async () => {
    const node = createNoteNode();
    const { textbox } = show(node);
    let refusals = 1;
    node.answerApply(() => (refusals-- > 0 ? err(contractError("LeaseExpired")) : ok({ heads: [] })));
    await fireEvent.click(within(textbox).getByRole("checkbox"));
    await waitFor(() => expect(node.leases).toHaveLength(2));
    await waitFor(() => expect(JSON.stringify(node.replica.spans(node.textId))).toContain('"checked":true'));
    const again = screen.getByRole("textbox", { name: "Text of the note" });
    expect(within(again).getByRole("checkbox", { name: "Done" })).toBeTruthy();
  });

  test("waits and tries again when the disk is full", async () => {
    const node = createNoteNode();
    const { textbox, errors } = show(node);
    let refusals = 1;
    node.answerApply(() => (refusals-- > 0 ? err(contractError("DiskFull")) : ok({ heads: [] })));
    await fireEvent.click(within(textbox).getByRole("checkbox"));
    await waitFor(() => expect(errors.map(({ type }) => type)).toEqual(["DiskFull"]));
    await waitFor(() => expect(JSON.stringify(node.replica.spans(node.textId))).toContain('"checked":true'));
  });

  test("goes back to what the node holds when it refuses a change", async () => {
    const node = createNoteNode();
    const { textbox, errors } = show(node);
    node.answerApply(() => err(contractError("BadChange")));
    await fireEvent.click(within(textbox).getByRole("checkbox"));
    await waitFor(() => expect(node.leases).toHaveLength(2));
    expect(errors.map(({ type }) => type)).toEqual(["BadChange"]);
    const again = screen.getByRole("textbox", { name: "Text of the note" });
    expect(within(again).getByRole("checkbox", { name: "To do" })).toBeTruthy();
  });
});
