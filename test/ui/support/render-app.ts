import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import axe from "axe-core";
import { expect } from "vitest";
import { createApi } from "../../../app/contract/create-api.ts";
import App from "../../../renderer/src/App.svelte";
import type { FakeNode, Overrides, World } from "./fake-transport.ts";
import { createFakeNode } from "./fake-transport.ts";

/** happy-dom has no top layer; showing is all the components need of it. */
const fillTopLayer = () => {
  for (const name of ["showPopover", "hidePopover", "scrollIntoView"])
    if (!(name in HTMLElement.prototype)) Object.assign(HTMLElement.prototype, { [name]: () => undefined });
};

/** The whole window over a node in memory, ready when it has left the loading screen; `prepare` sees the node first. */
export const renderApp = async (
  world: World,
  overrides: Overrides = {},
  prepare: (node: FakeNode) => void = () => undefined,
): Promise<FakeNode> => {
  fillTopLayer();
  const node = createFakeNode(world, overrides);
  prepare(node);
  render(App, { props: { apiOf: (identity?: string) => createApi(node.transport, identity) } });
  await waitFor(() => expect(screen.queryByRole("status", { name: "Opening your notes" })).toBeNull());
  return node;
};

/** Rules that need layout or colours are checked in a real browser by test/ui/preview/pictures.ts. */
const NEEDS_LAYOUT = ["color-contrast", "target-size", "scrollable-region-focusable"];

/** Fails with what axe finds on the page as it stands. */
export const expectAccessible = async (): Promise<void> => {
  const { violations } = await axe.run(document.body, {
    rules: Object.fromEntries(NEEDS_LAYOUT.map((rule) => [rule, { enabled: false }])),
  });
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`),
  );
  expect(found.join("\n")).toBe("");
};

export const press = (keys: string, on: Element | Window = window): void => {
  const parts = keys.split("+");
  on.dispatchEvent(
    new KeyboardEvent("keydown", {
      key: parts.at(-1) ?? "",
      ctrlKey: parts.includes("Control"),
      shiftKey: parts.includes("Shift"),
      bubbles: true,
      cancelable: true,
    }),
  );
};

export const type = async (input: HTMLElement, value: string): Promise<void> => {
  await fireEvent.input(input, { target: { value } });
};

/** Opens the settings at one of their pages. */
export const openSettings = async (page: string): Promise<void> => {
  press("Control+,");
  await fireEvent.click(await screen.findByRole("tab", { name: page }));
};
