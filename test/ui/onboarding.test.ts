import { fireEvent, screen } from "@testing-library/svelte";
import { describe, expect, test } from "vitest";
import { createWorld } from "./support/fake-transport.ts";
import { expectAccessible, press, renderApp, type } from "./support/render-app.ts";
import { IDENTITY } from "./support/fake-transport.ts";

const absent = () => createWorld({ vault: "absent", identity: null });

const createIdentity = async () => {
  await fireEvent.click(await screen.findByRole("button", { name: "Get started" }));
  await type(screen.getByLabelText("Your name"), "Ada Lovelace");
  await fireEvent.click(await screen.findByRole("button", { name: "Create my identity" }));
  await screen.findByRole("heading", { name: "Write down these 24 words" });
};
const askedPositions = () =>
  screen.getAllByLabelText(/^Word \d+$/u).map((input) => ({
    input,
    index: Number((input as HTMLInputElement).labels?.[0]?.textContent?.replace("Word ", "")) - 1,
  }));

describe("first run", () => {
  test("a name, then the 24 words in order, then three of them are asked", async () => {
    const { world } = await renderApp(absent());
    await createIdentity();
    expect(screen.getByRole("list", { name: "Recovery phrase" }).querySelectorAll("li")).toHaveLength(24);
    expect(screen.getByText("actual")).toBeTruthy();
    await expectAccessible();

    await fireEvent.click(screen.getByRole("button", { name: "I have written them down" }));
    const asked = askedPositions();
    expect(asked).toHaveLength(3);
    for (const { input, index } of asked) await type(input, ` ${(world.phrase[index] ?? "").toUpperCase()} `);
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Confirm" }));
    await screen.findByRole("heading", { name: "Start with a notebook" });
    expect(world.identity?.phraseConfirmed).toBe(true);
    expect(screen.queryByRole("region", { name: "Recovery phrase" })).toBeNull();
  });

  test("wrong words are refused with the node's sentence and can be corrected", async () => {
    const { world } = await renderApp(absent());
    await createIdentity();
    await fireEvent.click(screen.getByRole("button", { name: "I have written them down" }));
    for (const { input } of askedPositions()) await type(input, "zebra");
    await fireEvent.click(screen.getByRole("button", { name: "Confirm" }));
    await screen.findByText("Those words are not the ones of your recovery phrase.");
    expect(world.identity?.phraseConfirmed).toBe(false);
  });

  test("confirming can be postponed, and a banner keeps asking until this window closes it", async () => {
    await renderApp(absent());
    await createIdentity();
    await fireEvent.click(screen.getByRole("button", { name: "I have written them down" }));
    await fireEvent.click(screen.getByRole("button", { name: "Do this later" }));
    await screen.findByRole("region", { name: "Recovery phrase" });
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Confirm now" }));
    await screen.findByRole("heading", { name: "Confirm your recovery phrase" });
    await fireEvent.click(screen.getByRole("button", { name: "Not now" }));
    await fireEvent.click(screen.getByRole("button", { name: "Remind me next time" }));
    expect(screen.queryByRole("region", { name: "Recovery phrase" })).toBeNull();
  });

  test("without a keychain a passphrase is asked twice and rated", async () => {
    const { calls } = await renderApp(createWorld({ vault: "absent", identity: null, protection: "passphrase" }));
    await expectAccessible();
    await fireEvent.click(screen.getByRole("button", { name: "Get started" }));
    await type(screen.getByLabelText("Your name"), "Ada");
    const submit = screen.getByRole<HTMLButtonElement>("button", { name: "Create my identity" });
    await type(screen.getByLabelText("Passphrase"), "heron");
    await screen.findByText("Very easy to guess. Add more words.");
    await type(screen.getByLabelText("Passphrase"), "seven quiet herons watch amber ponds");
    await screen.findByText("Strong.");
    await type(screen.getByLabelText("Passphrase again"), "another");
    await screen.findByText("The two passphrases differ.");
    expect(submit.disabled).toBe(true);
    await type(screen.getByLabelText("Passphrase again"), "seven quiet herons watch amber ponds");
    await expectAccessible();
    await fireEvent.click(submit);
    await screen.findByRole("heading", { name: "Write down these 24 words" });
    expect(calls.find(({ name }) => name === "identity.create")?.input).toEqual({
      name: "Ada",
      passphrase: "seven quiet herons watch amber ponds",
    });
  });
});

describe("a locked vault", () => {
  test("a wrong passphrase is refused, the right one opens", async () => {
    await renderApp(createWorld({ vault: "locked", protection: "passphrase", passphrase: "right" }));
    await expectAccessible();
    await type(screen.getByLabelText("Passphrase"), "wrong");
    await fireEvent.click(screen.getByRole("button", { name: "Unlock" }));
    await screen.findByText("That passphrase does not open your keys.");
    await type(screen.getByLabelText("Passphrase"), "right");
    await fireEvent.click(screen.getByRole("button", { name: "Unlock" }));
    await screen.findByRole("heading", { name: "Start with a notebook" });
  });
});

test("a node that cannot start says why and can be asked again", async () => {
  const node = await renderApp(createWorld(), {}, (fresh) => fresh.break("workspace.show", "CorruptDatabase"));
  await screen.findByRole("heading", { name: "The database is damaged" });
  node.heal("workspace.show");
  await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("heading", { name: "Start with a notebook" });
});

test("shortcuts do nothing before the workspace is there", async () => {
  await renderApp(createWorld({ vault: "absent", identity: null }));
  press("Control+p");
  expect(screen.queryByRole("dialog")).toBeNull();
  expect(IDENTITY.name).toBe("Ada Lovelace");
});
