// Does with Dawn, WebGPU's implementation in Chromium, what requests over a socket ask for. Dawn itself writes to standard output.
//   node dawn.mjs PORT [OPTION OF DAWN ...]        such as backend=null
// A request is a line of JSON, { op, size, ... }, and size bytes; so is an answer, { size, ... } or { size: 0, error }.
import { create, globals } from 'webgpu';
import { connect } from 'node:net';

Object.assign(globalThis, globals);
// Dawn's objects die with this one, also while something waits for them.
const [port, ...options] = process.argv.slice(2);
globalThis.gpu = create(options);
const socket = connect(Number(port), '127.0.0.1').setNoDelay();

let adapter;
let device;
const objects = new Map();
const get = (id) => objects.get(id);

const NONE = new Uint8Array(0);
const FILTERS = ['validation', 'out-of-memory', 'internal'];

const operations = {
  async adapter() {
    adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error('Dawn finds no adapter');
    const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = adapter.info;
    return {
      name: description || device || vendor,
      software: architecture === 'software' || adapter.info.isFallbackAdapter === true,
      device,
      subgroups: adapter.features.has('subgroups'),
      subgroupSizes: [subgroupMinSize, subgroupMaxSize],
      storageBuffers: adapter.limits.maxStorageBuffersPerShaderStage,
    };
  },
  async device({ subgroups, storageBuffers }) {
    device = await adapter.requestDevice({
      requiredFeatures: subgroups ? ['subgroups'] : [],
      requiredLimits: { maxStorageBuffersPerShaderStage: storageBuffers },
    });
    // An adapter gives one device.
    adapter = await gpu.requestAdapter();
  },
  async module({ id, code }) {
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    const said = messages.map(({ type, lineNum, linePos, message }) => `${lineNum}:${linePos}: ${type}: ${message}`);
    if (messages.some(({ type }) => type === 'error')) throw new Error(said.join('\n'));
    objects.set(id, module);
    return { said };
  },
  async layout({ id, entries, pipeline }) {
    const visibility = GPUShaderStage.COMPUTE;
    const buffer = ({ binding, type }) => ({ binding, visibility, buffer: { type } });
    const own = () => device.createBindGroupLayout({ entries: entries.map(buffer) });
    objects.set(id, entries ? own() : get(pipeline).getBindGroupLayout(0));
  },
  async pipelineLayout({ id, layouts }) {
    objects.set(id, device.createPipelineLayout({ bindGroupLayouts: layouts.map(get) }));
  },
  async pipeline({ id, layout, module }) {
    const compute = { module: get(module) };
    objects.set(id, await device.createComputePipelineAsync({ layout: get(layout), compute }));
  },
  async buffer({ id, length, usage }) {
    objects.set(id, device.createBuffer({ size: length, usage }));
  },
  async write({ buffer, offset }, bytes) {
    device.queue.writeBuffer(get(buffer), offset, bytes);
  },
  async group({ id, layout, entries }) {
    const entry = ({ binding, buffer, offset, length }) =>
      ({ binding, resource: { buffer: get(buffer), offset, size: length ?? undefined } });
    objects.set(id, device.createBindGroup({ layout: get(layout), entries: entries.map(entry) }));
  },
  async submit({ commands }) {
    const encoder = device.createCommandEncoder();
    for (const { copy, dispatches } of commands) {
      if (copy) {
        const [source, at, destination, to, length] = copy;
        encoder.copyBufferToBuffer(get(source), at, get(destination), to, length);
        continue;
      }
      const pass = encoder.beginComputePass();
      for (const { pipeline, group, workgroups } of dispatches) {
        pass.setPipeline(get(pipeline));
        pass.setBindGroup(0, get(group));
        pass.dispatchWorkgroups(...workgroups);
      }
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
  },
  async read({ buffer, offset, length }) {
    const source = get(buffer);
    await source.mapAsync(GPUMapMode.READ, offset, length);
    const bytes = Uint8Array.from(new Uint8Array(source.getMappedRange(offset, length)));
    source.unmap();
    return { bytes };
  },
  async drop({ id }) {
    // Others may still hold it, so that it is not destroyed.
    objects.delete(id);
  },
};

// Runs an operation; what Dawn reports in any of its ways is an error.
async function perform(request, bytes) {
  const scopes = device ? FILTERS : [];
  const on = device;
  scopes.forEach((filter) => on.pushErrorScope(filter));
  let answer, failure;
  try {
    answer = await operations[request.op](request, bytes);
  } catch (error) {
    failure = error;
  }
  for (const _ of scopes) failure = (await on.popErrorScope()) ?? failure;
  if (failure) throw failure;
  return answer;
}

function answer({ bytes = NONE, ...rest }) {
  socket.write(`${JSON.stringify({ size: bytes.length, ...rest })}\n`);
  socket.write(bytes);
}

let pending = Buffer.alloc(0);
for await (const chunk of socket) {
  pending = Buffer.concat([pending, chunk]);
  for (;;) {
    const end = pending.indexOf(10);
    if (end < 0) break;
    const request = JSON.parse(pending.subarray(0, end).toString());
    if (pending.length < end + 1 + request.size) break;
    const bytes = Uint8Array.from(pending.subarray(end + 1, end + 1 + request.size));
    pending = pending.subarray(end + 1 + request.size);
    try {
      answer((await perform(request, bytes)) ?? {});
    } catch (error) {
      answer({ error: `${error?.message ?? error}` });
    }
  }
}
process.exit(0);
