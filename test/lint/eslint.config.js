import svelte from "eslint-plugin-svelte";
import parser from "svelte-eslint-parser";
import ts from "typescript-eslint";

const FOREIGN_ROOMS = "Components speak app/contract through renderer/src/api.ts.";

export default [
  ...svelte.configs["flat/recommended"],
  {
    files: ["renderer/**/*.svelte"],
    languageOptions: { parser, parserOptions: { parser: ts.parser } },
    plugins: { "@typescript-eslint": ts.plugin },
    rules: {
      "svelte/no-at-html-tags": "error",
      "svelte/no-navigation-without-resolve": "off",
      "svelte/require-each-key": "error",
      "svelte/button-has-type": "error",
      "no-empty": ["error", { allowEmptyCatch: false }],
      eqeqeq: "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { regex: "(^|/)(main|test|tools)/", message: FOREIGN_ROOMS },
            { regex: "(^|/)protocol/(?!replica/|automerge-format/)", message: FOREIGN_ROOMS },
            { regex: "(^|/)app/(?!contract/)", message: FOREIGN_ROOMS },
            { regex: "^(node:|electron$|better-sqlite3)", message: FOREIGN_ROOMS },
          ],
        },
      ],
    },
  },
];
