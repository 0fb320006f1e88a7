import path from "node:path";
import ts from "typescript";

/**
 * Finds statements that call something giving a `Result` and ignore it: an expected failure nobody looks at.
 * usage: node tools/check-results.mjs ROOM …   (folders with a tsconfig.json, relative to the current one)
 */

const isOk = (type, checker) => {
  const property = type.getProperty("ok");
  if (property === undefined) return false;
  const value = checker.getTypeOfSymbol(property);
  return (value.flags & ts.TypeFlags.BooleanLiteral) !== 0;
};

/** A union of objects that are told apart by a literal `ok`; also when a promise gives it. */
const isResult = (type, checker) => {
  const settled = checker.getAwaitedType(type) ?? type;
  return settled.isUnion() && settled.types.length > 1 && settled.types.every((member) => isOk(member, checker));
};

const findingsIn = (room) => {
  const configFile = path.resolve(room, "tsconfig.json");
  const config = ts.getParsedCommandLineOfConfigFile(
    configFile,
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => process.exit(2) },
  );
  const program = ts.createProgram(config.fileNames, config.options);
  const checker = program.getTypeChecker();
  const findings = [];
  const own = new Set(config.fileNames.map((file) => path.resolve(file)));
  for (const source of program.getSourceFiles()) {
    if (!own.has(path.resolve(source.fileName))) continue;
    const visit = (node) => {
      if (ts.isExpressionStatement(node)) {
        const expression = ts.isAwaitExpression(node.expression) ? node.expression.expression : node.expression;
        if (ts.isCallExpression(expression) && isResult(checker.getTypeAtLocation(expression), checker)) {
          const { line } = source.getLineAndCharacterOfPosition(node.getStart());
          findings.push(
            `${path.relative(process.cwd(), source.fileName)}:${line + 1} a Result is looked at, not ignored`,
          );
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return findings;
};

const findings = process.argv.slice(2).flatMap(findingsIn);
for (const finding of findings) console.log(finding);
process.exit(findings.length === 0 ? 0 : 1);
