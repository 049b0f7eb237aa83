import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkflowId } from '@taskmaster/contracts';
import { attempt, openWorkspace, Testbed, work, write } from '../testbed.fixture.js';
import { discard, land, validate, type ChangeDesk, type ValidateOutput } from './change.js';
import { merge, type MergeTask } from './merge.js';

const NODE_TEST =
  "import test from 'node:test'; import assert from 'node:assert'; import { a } from '../src/a.js'; test('a', () => assert.equal(a, 1));\n";
const REPOSITORY = {
  'package.json': JSON.stringify({ name: 'sample', type: 'module', scripts: { test: 'node --test' } }),
  'src/a.js': 'export const a = 1;\n',
  'test/a.test.js': NODE_TEST,
};

describe('landing a change', () => {
  let bed: Testbed;
  let desk: ChangeDesk;
  beforeEach(async () => {
    bed = await Testbed.create(REPOSITORY);
    desk = bed.desk();
  });
  afterEach(() => {
    bed.destroy();
  });

  const validated = async (workflow = 'wf_1', by = desk): Promise<ValidateOutput> => {
    const result = await validate(by, bed.task(workflow, 'tm-validate-1'));
    if (result.kind === 'failed') throw new Error(result.error.message);
    return result.output;
  };
  const mergeTask = (output: ValidateOutput, workflow = 'wf_1', number = 1): MergeTask => ({
    ...bed.task(workflow, 'tm-merge-1'),
    commit: output.commit,
    base: output.base,
    number,
  });

  it('records a pull request once per workflow and gives every workflow its own number', async () => {
    await Promise.all(['wf_1', 'wf_2'].map((workflow) => work(desk, bed, attempt(workflow, 'a'), { [`${workflow}.txt`]: workflow })));
    const [first, second] = await Promise.all([land(desk, bed.task('wf_1', 'tm-land-1')), land(bed.desk(), bed.task('wf_2', 'tm-land-1'))]);
    const again = await land(bed.desk(), bed.task('wf_1', 'tm-land-1'));
    expect(again).toEqual(first);
    const numbers = [first, second].map((result) => (result.kind === 'done' && 'number' in result.output ? result.output.number : 0));
    expect(numbers.sort()).toEqual([1, 2]);
    expect(await bed.refs('refs/tm/pull/')).toEqual([
      'refs/tm/pull/1/head',
      'refs/tm/pull/1/record',
      'refs/tm/pull/2/head',
      'refs/tm/pull/2/record',
    ]);
  });

  it('moves the pull request to what a later cycle delivered', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'one.txt': '1' });
    await land(desk, bed.task('wf_1', 'tm-land-1'));
    await work(desk, bed, attempt('wf_1', 'fix'), { 'two.txt': '2' });
    const later = await land(desk, bed.task('wf_1', 'tm-land-2', { cycle: 2 }));
    expect(later).toMatchObject({ kind: 'done', output: { number: 1, head: await bed.head('tm/wf_1/integration') } });
    expect(await bed.show('refs/tm/pull/1/head', 'two.txt')).toBe('2');
  });

  it('refuses to land nothing', async () => {
    const result = await land(desk, bed.task('wf_1', 'tm-land-1'));
    expect(result).toMatchObject({ kind: 'failed', error: { type: 'validation', retryable: false } });
  });

  it('refuses to land when steps ran and none delivered', async () => {
    await openWorkspace(desk, bed, attempt('wf_1', 'a'));
    await bed.commit({ 'elsewhere.txt': 'x' }, 'Meanwhile');
    const result = await land(desk, bed.task('wf_1', 'tm-land-1'));
    expect(result).toMatchObject({ kind: 'failed', error: { message: 'there is nothing to land: no step changed the repository' } });
  });

  it('says that the target holds the change already, also when it holds more, and closes the pull request', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'one.txt': '1' });
    await work(desk, bed, attempt('wf_2', 'a'), { 'one.txt': '1' });
    await land(desk, bed.task('wf_2', 'tm-land-1'));
    await merge(desk, mergeTask(await validated('wf_1'), 'wf_1', 1));
    const head = await bed.commit({ 'elsewhere.txt': 'x' }, 'Meanwhile');
    const result = await land(desk, bed.task('wf_2', 'tm-land-2', { cycle: 2 }));
    expect(result).toEqual({ kind: 'done', output: { alreadyThere: true, target: 'main', commit: head } });
    expect(JSON.parse(await bed.git.run(['cat-file', 'blob', 'refs/tm/pull/1/record'], { gitDir: bed.url }))).toMatchObject({
      state: 'closed',
    });
    expect(await bed.head('main')).toBe(head);
  });

  it('validates the merge of both sides with the tests of the repository and merges exactly that commit', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    await land(desk, bed.task('wf_1', 'tm-land-1'));
    await bed.commit({ 'elsewhere.txt': 'x' }, 'Meanwhile');
    const output = await validated();
    expect(output).toMatchObject({ passed: true, base: await bed.head('main'), checks: [{ name: 'npm test', passed: true }] });
    const merged = await merge(desk, mergeTask(output));
    expect(merged).toMatchObject({ kind: 'done', output: { merged: true, commit: output.commit, number: 1, target: 'main' } });
    expect(merged.kind === 'done' && 'checks' in merged.output).toBe(false);
    expect(await bed.head('main')).toBe(output.commit);
    expect(JSON.parse(await bed.git.run(['cat-file', 'blob', 'refs/tm/pull/1/record'], { gitDir: bed.url }))).toMatchObject({
      state: 'merged',
      commit: output.commit,
    });
  });

  it('merges the commit that another coordinator validated, without having been given its objects', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    const output = await validated();
    const merged = await merge(bed.desk(), mergeTask(output));
    expect(merged).toMatchObject({ kind: 'done', output: { merged: true, commit: output.commit } });
    expect(merged.kind === 'done' && 'checks' in merged.output).toBe(false);
  });

  it('reports a failing test as a result that did not pass', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/a.js': 'export const a = 2;\n' });
    const output = await validated();
    expect(output.passed).toBe(false);
    expect(output.checks[0]).toMatchObject({ name: 'npm test', passed: false });
    expect(output.checks[0]?.outputTail).toContain('not ok');
  });

  it('reports a conflict with the target as a check that did not pass', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/a.js': 'export const a = 1; // ours\n' });
    await bed.commit({ 'src/a.js': 'export const a = 1; // theirs\n' }, 'Meanwhile');
    expect(await validated()).toMatchObject({
      passed: false,
      checks: [{ name: 'merge', passed: false, outputTail: 'conflicts with main in: src/a.js' }],
    });
  });

  it('validates again when the target moved after validation, and merges what passed', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    const output = await validated();
    const moved = await bed.commit({ 'elsewhere.txt': 'x' }, 'Meanwhile');
    const merged = await merge(desk, mergeTask(output));
    expect(merged).toMatchObject({ kind: 'done', output: { merged: true, base: moved, checks: [{ name: 'npm test', passed: true }] } });
    expect(await bed.show('main', 'elsewhere.txt')).toBe('x');
    expect(await bed.show('main', 'src/b.js')).toContain('b = 2');
  });

  it('does not merge when the target moved and the merged result fails', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    const output = await validated();
    const moved = await bed.commit({ 'src/a.js': 'export const a = 3;\n' }, 'Meanwhile');
    expect(await merge(desk, mergeTask(output))).toMatchObject({
      kind: 'done',
      output: { merged: false, reason: 'validation-failed', base: moved },
    });
    expect(await bed.head('main')).toBe(moved);
  });

  it('recognises its own merge when it is delivered twice, also after the target went on', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    const output = await validated();
    const first = await merge(desk, mergeTask(output));
    expect(await merge(bed.desk(), mergeTask(output))).toEqual(first);
    const head = await bed.commit({ 'later.txt': 'x' }, 'Later');
    expect(await merge(bed.desk(), mergeTask(output))).toMatchObject({ kind: 'done', output: { merged: true, commit: output.commit } });
    expect(await bed.head('main')).toBe(head);
  });

  it('recognises a merge that was validated again before the crash', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'src/b.js': 'export const b = 2;\n' });
    const output = await validated();
    await bed.commit({ 'elsewhere.txt': 'x' }, 'Meanwhile');
    await merge(desk, mergeTask(output));
    const head = await bed.head('main');
    expect(await merge(bed.desk(), mergeTask(output))).toMatchObject({
      kind: 'done',
      output: { merged: true, commit: head, checks: [{ name: 'npm test', passed: true }] },
    });
    expect(await bed.head('main')).toBe(head);
  });

  it('merges two workflows of two coordinators one after the other, each validated as merged', async () => {
    const other = bed.desk();
    await Promise.all([
      work(desk, bed, attempt('wf_1', 'a'), { 'one.txt': '1' }),
      work(other, bed, attempt('wf_2', 'a'), { 'two.txt': '2' }),
    ]);
    const [one, two] = await Promise.all([validated('wf_1'), validated('wf_2', other)]);
    const results = await Promise.all([merge(desk, mergeTask(one, 'wf_1', 1)), merge(other, mergeTask(two, 'wf_2', 2))]);
    expect(results).toMatchObject([{ output: { merged: true } }, { output: { merged: true } }]);
    expect([await bed.show('main', 'one.txt'), await bed.show('main', 'two.txt')]).toEqual(['1', '2']);
  });

  it('closes the pull request, removes branches and folders, and keeps the unmerged work under a ref', async () => {
    await work(desk, bed, attempt('wf_1', 'a'), { 'one.txt': '1' });
    await land(desk, bed.task('wf_1', 'tm-land-1'));
    const head = await bed.head('tm/wf_1/integration');
    expect(await discard(desk, bed.repository, 'wf_1' as WorkflowId)).toEqual({ leftovers: [] });
    expect(await bed.refs('refs/heads/')).toEqual(['refs/heads/main']);
    expect(await bed.refs('refs/tm/salvage/')).toEqual([`refs/tm/salvage/wf_1/integration-${head.slice(0, 12)}`]);
    expect(JSON.parse(await bed.git.run(['cat-file', 'blob', 'refs/tm/pull/1/record'], { gitDir: bed.url }))).toMatchObject({
      state: 'closed',
    });
    expect(await discard(desk, bed.repository, 'wf_1' as WorkflowId)).toEqual({ leftovers: [] });
  });

  it('names a folder that is still there as a leftover', async () => {
    const workspace = await openWorkspace(desk, bed, attempt('wf_1', 'a'));
    write(workspace.path, { 'x.txt': 'x' });
    const { leftovers } = await discard(desk, bed.repository, 'wf_1' as WorkflowId);
    expect(leftovers).toContain(workspace.path);
  });
});
