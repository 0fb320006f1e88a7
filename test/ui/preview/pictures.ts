import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright";
import { chromium } from "playwright";
import { preview } from "vite";

/** Takes a picture of every view in both themes and reports what axe finds in a real browser, contrast included. */

const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUT = path.resolve(HERE, "../../../out/pictures");
const AXE = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

interface Shot {
  readonly name: string;
  readonly scene: string;
  readonly act?: (page: Page) => Promise<void>;
  readonly width?: number;
}

const key = (keys: string) => (page: Page) => page.keyboard.press(keys);
const share = (tab: string) => async (page: Page) => {
  await page.keyboard.press("Control+Shift+s");
  await page.getByRole("tab", { name: tab }).click();
};
const people = (name: string | RegExp) => async (page: Page) => {
  await page.getByRole("button", { name: "People" }).click();
  await page.getByRole("list", { name: "Contacts" }).getByRole("button", { name }).click();
  await page.getByRole("article").waitFor();
};
const SHOTS: readonly Shot[] = [
  { name: "person-verified", scene: "workspace", act: people(/Ben Haddad.*Field notes/u) },
  { name: "person-namesake", scene: "workspace", act: people(/Ben Haddad.*contact card/u) },
  {
    name: "people-requests",
    scene: "requests",
    act: async (page) => {
      await page.getByRole("button", { name: "People 2" }).click();
      await page.getByText("Waiting for your answer").waitFor();
    },
  },
  {
    name: "own-card",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "People" }).click();
      await page.getByRole("button", { name: "Your contact card" }).first().click();
      await page.getByRole("img", { name: "QR code of your contact card" }).waitFor();
    },
  },
  { name: "welcome", scene: "welcome" },
  {
    name: "welcome-name",
    scene: "welcome-passphrase",
    act: async (page) => {
      await page.getByRole("button", { name: "Get started" }).click();
      await page.getByLabel("Your name").fill("Ada Lovelace");
      await page.getByLabel("Passphrase", { exact: true }).fill("seven quiet herons");
    },
  },
  {
    name: "phrase",
    scene: "welcome",
    act: async (page) => {
      await page.getByRole("button", { name: "Get started" }).click();
      await page.getByLabel("Your name").fill("Ada Lovelace");
      await page.getByRole("button", { name: "Create my identity" }).click();
      await page.getByRole("heading", { name: "24 words" }).waitFor();
    },
  },
  {
    name: "phrase-confirm",
    scene: "welcome",
    act: async (page) => {
      await page.getByRole("button", { name: "Get started" }).click();
      await page.getByLabel("Your name").fill("Ada Lovelace");
      await page.getByRole("button", { name: "Create my identity" }).click();
      await page.getByRole("button", { name: "I have written" }).click();
      for (const input of await page.getByRole("textbox").all()) await input.fill("wrong");
      await page.getByRole("button", { name: "Confirm" }).click();
    },
  },
  { name: "locked", scene: "locked" },
  { name: "failed", scene: "failed" },
  { name: "empty", scene: "empty" },
  { name: "empty-notebook", scene: "empty-notebook" },
  { name: "workspace", scene: "workspace" },
  { name: "workspace-narrow", scene: "workspace", width: 860 },
  { name: "nag", scene: "nag" },
  { name: "alone", scene: "alone" },
  { name: "many", scene: "many" },
  { name: "list-failed", scene: "list-failed" },
  {
    name: "trash-toast",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("listbox").focus();
      await page.keyboard.press("Delete");
      await page.getByText("Moved to the trash").waitFor();
    },
  },
  {
    name: "notebook-menu",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("treeitem", { name: "Reading" }).hover();
      await page.getByRole("button", { name: "Actions for Reading" }).click();
    },
  },
  { name: "switcher", scene: "workspace", act: key("Control+p") },
  {
    name: "switcher-typed",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+p");
      await page.keyboard.type("tran");
      await page.getByRole("dialog").getByRole("option", { name: "Transect 3" }).waitFor();
    },
  },
  { name: "search", scene: "workspace", act: key("Control+Shift+f") },
  {
    name: "search-hits",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+f");
      await page.keyboard.type("the");
      await page.getByText("notes", { exact: false }).first().waitFor();
      await page.waitForTimeout(200);
    },
  },
  {
    name: "search-nothing",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+f");
      await page.keyboard.type("zeppelin");
      await page.getByText("Nothing found").waitFor();
    },
  },
  {
    name: "search-failed",
    scene: "search-failed",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+f");
      await page.keyboard.type("heron");
      await page.getByRole("alert").waitFor();
    },
  },
  { name: "share", scene: "workspace", act: key("Control+Shift+s") },
  {
    name: "share-link",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+s");
      await page.getByRole("button", { name: "Create invite link" }).click();
      await page.getByRole("img", { name: "QR code" }).waitFor();
    },
  },
  { name: "share-members", scene: "workspace", act: share("Members") },
  {
    name: "share-remove",
    scene: "workspace",
    act: async (page) => {
      await share("Members")(page);
      await page.getByRole("button", { name: "More about Ben Haddad" }).click();
      await page.getByRole("menuitem", { name: "Remove" }).click();
      await page.getByRole("checkbox").check();
    },
  },
  {
    name: "share-transfer",
    scene: "workspace",
    act: async (page) => {
      await share("Members")(page);
      await page.getByRole("button", { name: "Hand over" }).click();
    },
  },
  {
    name: "share-revoke",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+s");
      await page.getByRole("button", { name: "Revoke" }).nth(1).click();
      await page.getByRole("button", { name: "Revoke the link" }).scrollIntoViewIfNeeded();
    },
  },
  { name: "share-activity", scene: "workspace", act: share("Activity") },
  { name: "share-copies", scene: "workspace", act: share("Where it is") },
  { name: "reader", scene: "reader" },
  { name: "removed", scene: "removed" },
  { name: "share-request", scene: "requests", act: key("Control+Shift+s") },
  { name: "request-toast", scene: "requests" },
  {
    name: "join",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Join with a link" }).click();
      await page.getByLabel("Invite link").fill("not a link");
      await page.getByRole("button", { name: "Join" }).click();
    },
  },
  {
    name: "join-requested",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Join with a link" }).click();
      await page.getByLabel("Invite link").fill("p2pc:j/abc");
      await page.getByRole("button", { name: "Join", exact: true }).click();
      await page.evaluate(() => {
        const { node } = window as unknown as {
          node: { world: { invites: object[] }; emit: (event: object) => void };
        };
        node.world.invites = node.world.invites.map((each) => ({ ...each, state: "requested", checkString: "482913" }));
        node.emit({ type: "invitesChanged" });
      });
      await page.getByText("Waiting to be let in").waitFor();
    },
  },
  { name: "network", scene: "workspace", act: key("Control+Shift+e") },
  { name: "network-empty", scene: "network-empty", act: key("Control+Shift+e") },
  {
    name: "import",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Import a folder" }).click();
      await page.getByRole("button", { name: "Choose a folder" }).click();
    },
  },
  {
    name: "import-running",
    scene: "importing",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Import a folder" }).click();
      await page.getByRole("button", { name: "Choose a folder" }).click();
      await page.getByRole("button", { name: "Import", exact: true }).click();
      await page.evaluate(() => {
        const { node } = window as unknown as {
          node: { world: { notebooks: { id: string }[] }; emit: (event: object) => void };
        };
        node.emit({
          type: "importProgress",
          job: "00",
          notebook: node.world.notebooks[0]?.id,
          done: 412,
          total: 1248,
          current: "surveys/2024/north-bank/week-31.md",
        });
      });
      await page.getByText("412 of").waitFor();
    },
  },
  {
    name: "import-report",
    scene: "import-report",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Import a folder" }).click();
      await page.getByRole("button", { name: "Choose a folder" }).click();
      await page.getByRole("button", { name: "Import", exact: true }).click();
      await page.getByText("Files found").waitFor();
    },
  },
  {
    name: "export",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Add a notebook" }).click();
      await page.getByRole("menuitem", { name: "Export this notebook" }).click();
      await page.getByRole("button", { name: "Choose a folder" }).click();
    },
  },
  {
    name: "merge-banner",
    scene: "history",
    act: async (page) => {
      await page.getByRole("option", { name: "Transect 4" }).click();
      await page.getByText("Merged with 17 changes").waitFor();
    },
  },
  {
    name: "history",
    scene: "history",
    act: async (page) => {
      await page.getByRole("option", { name: "Transect 4" }).click();
      await page.keyboard.press("Control+Shift+h");
      await page.getByRole("listbox", { name: "Versions" }).getByRole("option").nth(1).click();
      await page.getByText("Bring the ladder.").waitFor();
    },
  },
  {
    name: "history-sides",
    scene: "history",
    act: async (page) => {
      await page.getByRole("option", { name: "Transect 4" }).click();
      await page.keyboard.press("Control+Shift+h");
      await page.getByRole("listbox", { name: "Versions" }).getByRole("option").nth(2).click();
      await page.getByText("Side by side").click();
      await page.getByText("7 unchanged").or(page.getByText("unchanged paragraphs")).first().waitFor();
    },
  },
  {
    name: "history-empty",
    scene: "history-empty",
    act: async (page) => {
      await page.getByRole("option", { name: "Transect 4" }).click();
      await page.keyboard.press("Control+Shift+h");
      await page.getByText("Nothing written yet").waitFor();
    },
  },
  { name: "settings", scene: "nag", act: key("Control+,") },
  {
    name: "always-on-nodes",
    scene: "proxies",
    act: async (page) => {
      await page.keyboard.press("Control+,");
      await page.getByRole("tab", { name: "Always-on nodes" }).click();
      await page.getByLabel("Link or address").fill("203.0.113.9:4040");
      await page.getByLabel("Access code").waitFor();
    },
  },
  {
    name: "always-on-nodes-none",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+,");
      await page.getByRole("tab", { name: "Always-on nodes" }).click();
      await page.getByLabel("Link or address").waitFor();
    },
  },
  {
    name: "imported",
    scene: "imported",
    act: async (page) => {
      await page.keyboard.press("Control+,");
      await page.getByRole("tab", { name: "Backup" }).click();
      await page.getByRole("button", { name: "Import…" }).click();
      await page.getByText("each with its history").waitFor();
    },
  },
  { name: "shortcuts", scene: "workspace", act: key("Control+/") },
  { name: "new-notebook", scene: "workspace", act: key("Control+Shift+n") },
  { name: "move-note", scene: "workspace", act: key("Control+Shift+m") },
  {
    name: "share-note",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Note actions" }).click();
      await page.getByRole("menuitem", { name: "Share this note" }).click();
    },
  },
  {
    name: "shared-note",
    scene: "workspace",
    act: async (page) => {
      await page.getByRole("button", { name: "Note actions" }).click();
      await page.getByRole("menuitem", { name: "Share this note" }).click();
      await page.getByRole("button", { name: "Share this note" }).click();
      await page.getByRole("button", { name: "Create invite link" }).waitFor();
      await page.keyboard.press("Escape");
    },
  },
  {
    name: "notices",
    scene: "notices",
    act: async (page) => {
      await page.getByRole("button", { name: "Notices 2" }).click();
      await page.getByRole("button", { name: "Read" }).first().click();
    },
  },
  {
    name: "forget-notebook",
    scene: "left",
    act: (page) => page.getByRole("button", { name: "Delete" }).click(),
  },
  {
    name: "without-history",
    scene: "workspace",
    act: async (page) => {
      await page.keyboard.press("Control+Shift+s");
      await page.getByRole("button", { name: "Share without history" }).click();
    },
  },
];

const wanted = process.argv.slice(2);
const shots = wanted.length === 0 ? SHOTS : SHOTS.filter((shot) => wanted.includes(shot.name));

mkdirSync(OUT, { recursive: true });
const server = await preview({
  configFile: path.join(HERE, "vite.config.ts"),
  preview: { port: 0, host: "127.0.0.1" },
  logLevel: "error",
});
const address = server.resolvedUrls?.local[0] ?? "";
const browser = await chromium.launch({
  executablePath: process.env["P2PCOLLAB_CHROMIUM"] ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
let findings = 0;
for (const colorScheme of ["light", "dark"] as const) {
  for (const shot of shots) {
    const page = await browser.newPage({
      colorScheme,
      viewport: { width: shot.width ?? 1280, height: 820 },
      reducedMotion: "reduce",
    });
    const complain = (text: string) => {
      findings += 1;
      console.log(`${shot.name} (${colorScheme}): ${text}`);
    };
    page.on("pageerror", (error) => complain(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complain(message.text());
    });
    await page.goto(`${address}?scene=${shot.scene}`);
    await page.waitForTimeout(350);
    try {
      await shot.act?.(page);
    } catch (cause) {
      complain(cause instanceof Error ? cause.message : String(cause));
    }
    await page.waitForTimeout(200);
    await page.screenshot({ path: path.join(OUT, `${shot.name}-${colorScheme}.png`) });
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { axe: run } = window as unknown as {
        axe: {
          run: () => Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
        };
      };
      return (await run.run()).violations.flatMap(({ id, nodes }) =>
        nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 240)}`),
      );
    });
    found.forEach(complain);
    await page.close();
  }
}
await browser.close();
await server.close();
console.log(`${shots.length * 2} pictures in ${path.relative(process.cwd(), OUT)}, ${findings} findings`);
process.exitCode = findings === 0 ? 0 : 1;
