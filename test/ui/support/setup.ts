import { cleanup, configure } from "@testing-library/svelte";
import { afterEach, beforeAll } from "vitest";
import { loadEditor } from "../../../renderer/src/components/note/load-editor.ts";
import { loadDialogs } from "../../../renderer/src/views/load-dialogs.ts";

/** Generous for a loaded machine; a passing test never waits that long. */
const FIND_WITHIN_MS = 8_000;

configure({ asyncUtilTimeout: FIND_WITHIN_MS });
// As in the window, where they are there long before somebody asks for one.
beforeAll(async () => {
  await Promise.all([loadDialogs(), loadEditor()]);
});
afterEach(() => {
  cleanup();
  document.body.replaceChildren();
  delete document.documentElement.dataset["theme"];
});
