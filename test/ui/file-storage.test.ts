import { fireEvent, screen } from "@testing-library/svelte";
import { expect, test } from "vitest";
import type { FetchPolicy } from "../../app/contract/types.ts";
import { ok } from "../../protocol/kernel/result.ts";
import { hex } from "./support/fake-transport.ts";
import { expectAccessible, openSettings, renderApp } from "./support/render-app.ts";
import { sampleWorld } from "./support/sample-world.ts";

test("the settings say what files take on this device, and which of them come by themselves", async () => {
  let policy: FetchPolicy = "small";
  const id = hex(7, 16);
  const node = await renderApp(sampleWorld(), {
    "storage.usage": async () =>
      ok({
        notebooks: [{ id, title: "Field notes", files: 12, bytes: 48_000_000, held: 3_200_000, policy }],
        held: 3_200_000,
        limit: 5_368_709_120,
      }),
    "attachments.policy": async (input) => {
      policy = input.policy;
      return ok(null);
    },
  });
  await screen.findByRole("option", { name: /Equipment list/u });
  await openSettings("Files");
  await screen.findByRole("heading", { name: "Pictures and files on this device: 3.2 MB" });
  screen.getByText("3.2 MB here, 12 files of 48 MB");
  await expectAccessible();
  await fireEvent.click(screen.getByRole("radio", { name: "When asked" }));
  expect(node.calls.findLast(({ name }) => name === "attachments.policy")?.input).toEqual({
    notebook: id,
    policy: "demand",
  });
});
