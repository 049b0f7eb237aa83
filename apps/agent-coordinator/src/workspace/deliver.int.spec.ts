import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { attempt, openWorkspace, Testbed, work, write } from '../testbed.fixture.js';
import { deliver, findDelivered } from './deliver.js';
import { salvageRef } from './workspaces.js';

const AGENT = { name: 'twin', simulated: true };

describe('delivering the work of an attempt', () => {
  let bed: Testbed;
  beforeEach(async () => {
    bed = await Testbed.create({ 'readme.md': 'hello\n', 'src/a.js': 'export const a = 1;\n' });
  });
  afterEach(() => {
    bed.destroy();
  });

  it('advances the integration branch by one commit that names workflow, step, attempt and simulation', async () => {
    const delivery = await work(bed.desk(), bed, attempt('wf_1', 'build'), { 'src/b.js': 'export const b = 2;\n' });
    expect(delivery).toMatchObject({ kind: 'delivered', branch: 'tm/wf_1/build-1', files: ['src/b.js'] });
    expect(await bed.head('refs/heads/tm/wf_1/integration')).toBe(delivery.kind === 'delivered' ? delivery.commit : '');
    const message = await bed.git.run(['log', '-1', '--format=%B', 'refs/heads/tm/wf_1/integration'], { gitDir: bed.url });
    expect(message).toContain(
      'TaskMaster-Workflow: wf_1\nTaskMaster-Step: build\nTaskMaster-Attempt: 1\nTaskMaster-Agent: twin\nSimulated: true',
    );
    expect(await bed.head('refs/heads/main')).toBe(await bed.head('refs/heads/tm/wf_1/integration~1'));
  });

  it('says so when nothing was changed, and counts ignored and forgotten folders as nothing', async () => {
    const delivery = await work(bed.desk(), bed, attempt('wf_1', 'build'), { 'node_modules/x/index.js': '1', '.env': 'SECRET=1' });
    expect(delivery).toEqual({ kind: 'no-change' });
  });

  it('puts commits that an agent made itself and files it left lying about into the same commit', async () => {
    const desk = bed.desk();
    const workspace = await openWorkspace(desk, bed, attempt('wf_1', 'build'));
    write(workspace.path, { 'one.txt': '1\n' });
    await bed.git.run(['-C', workspace.path, 'add', '--all']);
    await bed.git.run(['-C', workspace.path, 'commit', '--quiet', '-m', 'by the agent']);
    write(workspace.path, { 'two.txt': '2\n' });
    const delivery = await deliver(desk, workspace, 'Both', AGENT);
    expect(delivery).toMatchObject({ kind: 'delivered', files: ['one.txt', 'two.txt'] });
    expect(await bed.git.run(['rev-list', '--count', 'main..tm/wf_1/integration'], { gitDir: bed.url })).toBe('1');
  });

  it('keeps the work of both when two coordinators deliver different files at the same time', async () => {
    const [one, two] = [bed.desk(), bed.desk()];
    const steps = ['a', 'b', 'c', 'd', 'e', 'f'];
    const deliveries = await Promise.all(
      steps.map((step, i) => work(i % 2 === 0 ? one : two, bed, attempt('wf_1', step), { [`${step}.txt`]: step })),
    );
    expect(deliveries.map((delivery) => delivery.kind)).toEqual(steps.map(() => 'delivered'));
    const files = await bed.git.run(['ls-tree', '--name-only', 'tm/wf_1/integration'], { gitDir: bed.url });
    for (const step of steps) expect(files).toContain(`${step}.txt`);
    expect(await bed.git.run(['rev-list', '--count', 'main..tm/wf_1/integration'], { gitDir: bed.url })).toBe(String(steps.length));
  });

  it('names the files of a conflict and leaves the integration branch alone', async () => {
    const desk = bed.desk();
    const [first, second] = [attempt('wf_1', 'a'), attempt('wf_1', 'b')];
    const [one, two] = [await openWorkspace(desk, bed, first), await openWorkspace(desk, bed, second)];
    write(one.path, { 'src/a.js': 'export const a = 10;\n' });
    write(two.path, { 'src/a.js': 'export const a = 20;\n', 'other.txt': 'x' });
    expect((await deliver(desk, one, 'One', AGENT)).kind).toBe('delivered');
    const head = await bed.head('tm/wf_1/integration');
    expect(await deliver(desk, two, 'Two', AGENT)).toEqual({ kind: 'conflict', files: ['src/a.js'], against: head });
    expect(await bed.head('tm/wf_1/integration')).toBe(head);
    expect(await desk.workspaces.salvage(two)).toBe(salvageRef(second));
    expect(await bed.show(salvageRef(second), 'other.txt')).toBe('x');
  });

  it('answers a second delivery of a step with the first commit, from another coordinator and another attempt too', async () => {
    const first = await work(bed.desk(), bed, attempt('wf_1', 'a', 1), { 'a.txt': 'first' });
    const again = await work(bed.desk(), bed, attempt('wf_1', 'a', 2), { 'a.txt': 'second' });
    expect(first.kind).toBe('delivered');
    expect(again).toMatchObject({ kind: 'delivered', commit: first.kind === 'delivered' ? first.commit : '', files: ['a.txt'] });
  });

  it('finds its own push when it died between the push and the report', async () => {
    const ref = attempt('wf_1', 'a');
    const desk = bed.desk();
    const workspace = await openWorkspace(desk, bed, ref);
    write(workspace.path, { 'a.txt': 'a' });
    const first = await deliver(desk, workspace, 'A', AGENT);
    expect(await deliver(desk, workspace, 'A', AGENT)).toEqual(first);
  });

  it('does not take a branch that somebody else made for a delivery', async () => {
    const desk = bed.desk();
    await bed.commit({ 'forged.txt': 'x' }, 'No trailers', 'tm/wf_1/a-1');
    const mirror = await desk.mirrors.of(bed.repository);
    const view = await desk.mirrors.ensureIntegration(mirror, attempt('wf_1', 'a').workflowId);
    expect(await findDelivered(desk.git, mirror, view, attempt('wf_1', 'a'))).toBeUndefined();
  });

  it('saves what a crash left in a workspace before it makes a new one', async () => {
    const ref = attempt('wf_1', 'a');
    const desk = bed.desk();
    const left = await openWorkspace(desk, bed, ref);
    write(left.path, { 'half.txt': 'half' });
    const fresh = await openWorkspace(desk, bed, ref);
    expect(existsSync(join(fresh.path, 'half.txt'))).toBe(false);
    expect(await bed.show(salvageRef(ref), 'half.txt')).toBe('half');
  });

  it('is not led astray by configuration, hooks or a false .git file that an agent left behind', async () => {
    const ref = attempt('wf_1', 'a');
    const desk = bed.desk();
    const workspace = await openWorkspace(desk, bed, ref);
    const trap = join(bed.root, 'trapped');
    write(workspace.mirror.gitDir, {
      'hooks/pre-push': `#!/bin/sh\ntouch ${trap}\n`,
      config: `[core]\n\tbare = true\n\tfsmonitor = "touch ${trap}"\n[filter "x"]\n\tclean = touch ${trap}\n`,
    });
    write(workspace.path, { '.git': 'gitdir: /nowhere\n', '.gitattributes': '* filter=x\n', 'a.txt': 'a' });
    expect(await deliver(desk, workspace, 'A', AGENT)).toMatchObject({ kind: 'delivered', files: ['.gitattributes', 'a.txt'] });
    expect(existsSync(trap)).toBe(false);
  });

  it('spends at most eight git processes on a step that delivers', async () => {
    const desk = bed.desk();
    await work(desk, bed, attempt('wf_1', 'first'), { 'first.txt': '1' });
    const before = desk.git.spent.processes;
    const startedMs = performance.now();
    const ref = attempt('wf_1', 'second');
    const workspace = await openWorkspace(desk, bed, ref);
    write(workspace.path, { 'second.txt': '2' });
    await deliver(desk, workspace, 'Second', AGENT);
    expect(desk.git.spent.processes - before).toBeLessThanOrEqual(8);
    expect(performance.now() - startedMs).toBeLessThan(5000);
  });
});
