import { posix } from 'node:path';
import { commented, expectedOf, isOwn, snake, type Language } from './language.js';
import type { PlannedFile, Worktree } from './worktree.js';

const MANIFESTS = ['pyproject.toml', 'setup.py', 'setup.cfg', 'requirements.txt', 'pytest.ini', 'tox.ini', 'Pipfile'];
const TEST_FILE = /(^|\/)(test_[^/]*|[^/]*_test)\.py$/;

/** Python: a unittest case, which pytest and unittest both find; it loads its module by path, so no package layout is assumed. */
export const python: Language = {
  name: 'python',
  detect: (worktree) =>
    worktree.files.some((file) => MANIFESTS.includes(file) || (!file.includes('/') && file.endsWith('.py')) || TEST_FILE.test(file)),
  filesOf: (worktree, step, healthy) => Promise.resolve(filesOf(worktree, step, healthy)),
};

function filesOf(worktree: Worktree, step: string, healthy: boolean): readonly PlannedFile[] {
  const tests = worktree.files.filter((file) => TEST_FILE.test(file) && !isOwn(file));
  const nearest = [...tests].sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))[0];
  const folder = nearest === undefined ? '.' : posix.dirname(nearest);
  const suffixed = nearest !== undefined && nearest.endsWith('_test.py') && !posix.basename(nearest).startsWith('test_');
  const name = snake(step);
  const modulePath = posix.join(sourceFolder(worktree), `simulated_${name}.py`);
  const testPath = posix.join(folder, suffixed ? `simulated_${name}_test.py` : `test_simulated_${name}.py`);
  return [
    { path: modulePath, content: moduleText(step) },
    { path: testPath, content: testText({ step, name, healthy, way: posix.relative(folder, modulePath) }) },
  ];
}

/** Beside the sources: the first package folder that is not a test folder, else the top. */
function sourceFolder(worktree: Worktree): string {
  const packages = worktree.files
    .filter((file) => file.endsWith('/__init__.py') && !/(^|\/)tests?\//.test(file))
    .map((file) => posix.dirname(file));
  return [...packages].sort((a, b) => a.split('/').length - b.split('/').length || (a < b ? -1 : 1))[0] ?? '.';
}

const moduleText = (step: string): string => `${commented('#', step)}

STEP = "${step}"


def fingerprint(text: str) -> int:
    total = 0
    for character in text:
        total = (total * 31 + ord(character)) % 65521
    return total
`;

const testText = (it: {
  readonly step: string;
  readonly name: string;
  readonly healthy: boolean;
  readonly way: string;
}): string => `${commented('#', it.step)}
import importlib.util
import pathlib
import unittest

_PATH = pathlib.Path(__file__).resolve().parent / "${it.way}"
_SPEC = importlib.util.spec_from_file_location("simulated_${it.name}", _PATH)
assert _SPEC is not None and _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


class Simulated${it.name.replaceAll('_', '').replace(/^./, (first) => first.toUpperCase())}Test(unittest.TestCase):
    def test_answers_its_fingerprint(self) -> None:
        self.assertEqual(_MODULE.fingerprint(_MODULE.STEP), ${String(expectedOf(it.step, it.healthy))})


if __name__ == "__main__":
    unittest.main()
`;
