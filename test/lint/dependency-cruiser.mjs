/** Layers of protocol/, lowest first; a folder may import its own layer and those below it, never above. */
const LAYERS = [
  ["kernel"],
  ["crypto", "codec"],
  ["identity", "view", "bloom", "automerge-format"],
  ["blip", "bfpsi", "vpsi", "urps", "noise", "replica"],
  ["cyclon", "noisesocket", "acl", "epoch", "entry", "blob", "invite", "checkpoint", "pairing"],
  ["vicinity", "ringcast", "reconcile", "proxy", "presence"],
  ["poldercast", "recommend", "peer"],
  ["node"],
  ["core"],
];

/** Packages the application core may use: data structures and parsers without I/O. */
const PURE_PACKAGES = [
  "@automerge/automerge",
  "@scure/bip39",
  "mdast",
  "@types/mdast",
  "mdast-util-[^/]+",
  "micromark[^/]*",
  "unist-util-[^/]+",
  "yaml",
];
const UI_PACKAGES = [
  "svelte",
  "@lucide/svelte",
  "prosemirror-[^/]+",
  "qrcode",
  "@types/qrcode",
  "@automerge/automerge",
  "@noble/hashes",
];

const folders = (layers) => `^protocol/(${layers.flat().join("|")})/`;
const packages = (names) => `(^|/)node_modules/(${names.join("|")})(/|$)`;
const ANY_PACKAGE = "(^|/)node_modules/";

const layerRules = LAYERS.slice(0, -1).map((layer, index) => ({
  name: `protocol-layer-${layer.join("-")}`,
  comment: "A lower protocol layer may not import a higher one.",
  severity: "error",
  from: { path: folders([layer]) },
  to: { path: folders(LAYERS.slice(index + 1)) },
}));

export default {
  forbidden: [
    ...layerRules,
    {
      name: "protocol-folder-has-a-layer",
      comment: "Every protocol folder stands in the layer order.",
      severity: "error",
      from: {},
      to: { path: "^protocol/[^/]+/", pathNot: folders(LAYERS) },
    },
    {
      name: "protocol-imports-only-protocol",
      severity: "error",
      from: { path: "^protocol/" },
      to: { pathNot: ["^protocol/", packages(["@noble", "@scure/bip39"])] },
    },
    {
      name: "noble-only-in-crypto",
      severity: "error",
      from: { path: "^protocol/", pathNot: "^protocol/crypto/" },
      to: { path: packages(["@noble", "@scure/bip39"]) },
    },
    {
      name: "app-imports-only-protocol-and-pure-packages",
      severity: "error",
      from: { path: "^app/" },
      to: { pathNot: ["^app/", "^protocol/", packages(PURE_PACKAGES)] },
    },
    {
      name: "contract-stands-alone",
      severity: "error",
      from: { path: "^app/contract/" },
      to: { pathNot: ["^app/contract/", "^protocol/kernel/(brand|result)\\.ts$"] },
    },
    {
      name: "main-does-not-import-renderer-or-test",
      severity: "error",
      from: { path: "^main/", pathNot: "^main/electron\\.vite\\.config\\.ts$" },
      to: { path: "^(renderer|test|tools)/" },
    },
    {
      name: "electron-only-in-the-shell",
      severity: "error",
      from: { path: "^(main|app|protocol|renderer)/", pathNot: "^main/(shell/|main\\.ts$)" },
      to: { path: ["^electron$", packages(["electron"])] },
    },
    {
      name: "headless-cannot-reach-electron",
      severity: "error",
      from: { path: "^main/(headless|compose)\\.ts$|^main/(adapters|control|engine|proxy)/" },
      to: { path: ["^electron$", "(^|/)node_modules/electron/", "^main/shell/"], reachable: true },
    },
    {
      name: "renderer-imports-only-the-contract-and-the-replica",
      severity: "error",
      from: { path: "^renderer/", pathNot: "^renderer/[^/]+\\.config\\.js$" },
      to: {
        pathNot: [
          "^renderer/",
          "^app/(contract|markdown)/",
          "^app/repositories/note-schema\\.ts$",
          "^app/attachments/attachment-ref\\.ts$",
          "^protocol/(replica|automerge-format)/",
          packages(UI_PACKAGES),
        ],
      },
    },
    {
      name: "renderer-cannot-reach-node",
      severity: "error",
      from: { path: "^renderer/src/" },
      to: { path: "^main/", reachable: true },
    },
    {
      name: "no-runtime-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true, pathNot: "\\?(worker|url|raw|modulePath|nodeWorker)" },
    },
    {
      name: "product-does-not-import-dev-packages",
      severity: "error",
      from: { path: "^(protocol|app|main)/", pathNot: "^main/electron\\.vite\\.config\\.ts$" },
      to: {
        dependencyTypes: ["npm-dev"],
        dependencyTypesNot: ["type-only"],
        pathNot: packages(["electron", "@types"]),
      },
    },
  ],
  options: {
    doNotFollow: { path: ANY_PACKAGE },
    exclude: { path: "^(out|dist|test/architecture/fixtures)/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "svelte", "node", "default", "types"],
      mainFields: ["module", "main", "types"],
    },
  },
};
