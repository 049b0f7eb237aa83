import { commented, expectedOf, pascal, snake, type Language } from './language.js';

/** Go: a package of its own below `internal`, which `go test ./...` finds. */
export const go: Language = {
  name: 'go',
  detect: (worktree) => worktree.files.includes('go.mod'),
  filesOf: (_worktree, step, healthy) => {
    const name = snake(step);
    const unit = `simulated${name.replaceAll('_', '')}`;
    const folder = `internal/simulated/${unit}`;
    return Promise.resolve([
      { path: `${folder}/step.go`, content: moduleText(step, unit) },
      { path: `${folder}/step_test.go`, content: testText(step, unit, healthy) },
    ]);
  },
};

const moduleText = (step: string, unit: string): string => `${commented('//', step)}

package ${unit}

// Step is the step that wrote this package.
const Step = "${step}"

// Fingerprint sums the characters of a text.
func Fingerprint(text string) int {
	sum := 0
	for _, character := range text {
		sum = (sum*31 + int(character)) % 65521
	}
	return sum
}
`;

const testText = (step: string, unit: string, healthy: boolean): string => `${commented('//', step)}

package ${unit}

import "testing"

func TestSimulated${pascal(step)}AnswersItsFingerprint(t *testing.T) {
	if got, want := Fingerprint(Step), ${String(expectedOf(step, healthy))}; got != want {
		t.Fatalf("fingerprint is %d, expected %d", got, want)
	}
}
`;
