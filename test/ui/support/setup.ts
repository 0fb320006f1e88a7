import { cleanup, configure } from "@testing-library/svelte";
import { afterEach } from "vitest";

/** Generous for a loaded machine; a passing test never waits that long. */
const FIND_WITHIN_MS = 8_000;

configure({ asyncUtilTimeout: FIND_WITHIN_MS });
afterEach(() => {
  cleanup();
  document.body.replaceChildren();
  delete document.documentElement.dataset["theme"];
});
