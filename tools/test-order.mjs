// The order of the tests: jest's own, but for the simulation, which comes first. Every file that has run leaves something in the memory of
// jest's process, and after a hundred of them the simulation, which allocates more than all others, takes six times as long.
import Sequencer from '@jest/test-sequencer';

const isFirst = ({ path }) => path.includes('/tests/simulation/');

export default class TestOrder extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    return [...sorted.filter(isFirst), ...sorted.filter((test) => !isFirst(test))];
  }
}
