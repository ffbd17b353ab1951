//! A kernel's own code, run for what it decides about each tile in place of what it computes.

use wgpu::util::DeviceExt;

use crate::plan::bound::uniforms;
use crate::plan::params::Params;
use crate::plan::{Algorithm, Variant};
use crate::{Capabilities, shader};

/// Key tiles of one query tile at most.
pub(super) const MOST_TILES: usize = 24;
/// Words of a query tile before its key tiles.
const HEADER: usize = 6;

/// What is decided about the tiles of one query tile.
#[derive(Clone, Debug)]
pub(super) struct QueryTile {
    pub(super) q_first: u32,
    /// Rows from here on are not the sequence's.
    pub(super) row_limit: u32,
    pub(super) shift: i32,
    /// The keys of the sequence.
    pub(super) keys: [u32; 2],
    /// Those that are met, by their first key.
    pub(super) met: Vec<(u32, KeyTile)>,
}

/// What is decided about a tile.
#[derive(Clone, Debug)]
pub(super) struct KeyTile {
    pub(super) hides: bool,
    pub(super) constant: bool,
    /// By invocation, whether it finds something to compute.
    pub(super) seen: Vec<bool>,
}

/// The invocations that decide together, and the rows that they decide about: a workgroup, or each subgroup of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) variant: Variant,
    pub(super) invocations: u32,
    pub(super) rows: u32,
}

impl Unit {
    pub(super) fn of(variant: Variant, device: &wgpu::Device) -> Self {
        let invocations = match variant.algorithm {
            Algorithm::Broadcast => Capabilities::of(device).subgroup_size,
            Algorithm::Fragments | Algorithm::Cooperative | Algorithm::Decode => {
                variant.workgroup()
            }
        };
        Self {
            variant,
            invocations,
            rows: variant.q_tile() * invocations / variant.workgroup(),
        }
    }
}

/// A kernel's decisions, compiled.
pub(super) struct Classifier<'a> {
    device: &'a wgpu::Device,
    queue: &'a wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    pub(super) unit: Unit,
}

/// What the invocation `local` does with a tile, as its kernel's loop over keys does it.
const fn look(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Fragments | Algorithm::Cooperative => "!hides || look(local)",
        Algorithm::Broadcast => {
            "!hides || subgroupAny(look(visible_key(k_first + lane), key_document(k_first + lane)))"
        }
        Algorithm::Decode => {
            "!hides || (k_first + local % K_TILE < end && rows_that_see(k_first + local % K_TILE) != 0u)"
        }
    }
}

/// The variant's text with an entry point that decides and writes down, in place of the one that computes.
fn text(unit: &Unit) -> String {
    let variant = &unit.variant;
    let (lane, grid) = match variant.algorithm {
        Algorithm::Broadcast => (
            "@builtin(subgroup_invocation_id) subgroup_lane: u32, @builtin(subgroup_size) subgroup_size: u32,",
            "begin_octet(subgroup_lane, subgroup_size);
    place.q_first += subgroupMin(local) * ROWS;
    unit += subgroupMin(local) / subgroup_size;
    invocation = subgroup_lane;
    for (var r = 0u; r < ROWS; r++) {
        documents[r] = query_document(place.q_first + own_row(r));
    }",
        ),
        Algorithm::Fragments => ("", "column = local % COLUMNS; line = local / COLUMNS;"),
        Algorithm::Cooperative => ("", "column = local % COLUMNS; row = local / COLUMNS;"),
        Algorithm::Decode => ("", ""),
    };
    let look = look(variant.algorithm);
    let (invocations, each) = (unit.invocations, 1 + unit.invocations);
    format!(
        "{}
@group(0) @binding(21) var<storage, read_write> codes: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn classify(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    {lane}
) {{
    place = placed(group);
    var invocation = local;
    var unit = (group.z * groups.x + group.x) * (WORKGROUP / {invocations}u);
    {grid}
    let at = unit * ({HEADER}u + {MOST_TILES}u * {each}u);
    let end = key_end();
    var tiles = 0u;
    for (var k_first = key_begin(); k_first < end && tiles < {MOST_TILES}u; k_first += K_TILE) {{
        place.k_first = k_first;
        let hides = tile_hides();
        let seen = {look};
        offset_prepare(local);
        let bits = select(0u, 1u, hides) | select(0u, 2u, offset_constant()) | select(0u, 4u, seen);
        let tile = at + {HEADER}u + tiles * {each}u;
        codes[tile] = k_first;
        codes[tile + 1u + invocation] = bits;
        tiles += 1u;
    }}
    codes[at] = place.q_first;
    codes[at + 1u] = row_limit();
    codes[at + 2u] = bitcast<u32>(place.shift);
    codes[at + 3u] = key_start();
    codes[at + 4u] = key_limit();
    codes[at + 5u] = tiles;
}}
",
        shader::link(variant)
    )
}

/// The bindings that decisions read: what masks hold, and the table by offset.
const READ: [u32; 7] = [6, 7, 9, 11, 12, 13, 14];

impl<'a> Classifier<'a> {
    pub(super) fn new(device: &'a wgpu::Device, queue: &'a wgpu::Queue, variant: Variant) -> Self {
        let unit = Unit::of(variant, device);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("classify"),
            source: wgpu::ShaderSource::Wgsl(text(&unit).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("classify"),
            layout: None,
            module: &module,
            entry_point: Some("classify"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Self {
            device,
            queue,
            pipeline,
            unit,
        }
    }

    /// What is decided about every query tile of every set of uniforms, by `tiles` workgroups for each of `batch` sequences.
    pub(super) fn run(
        &self,
        params: &[Params],
        [tiles, batch]: [u32; 2],
        numbers: &[(u32, Vec<u32>)],
    ) -> Vec<Vec<QueryTile>> {
        let units = tiles * batch * (self.unit.variant.workgroup() / self.unit.invocations);
        let words = units as usize * self.words();
        let words_apart = words.next_multiple_of(64);
        let slice = 4 * words_apart as u64;
        let codes = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: slice * params.len() as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let read = self.numbers(numbers);
        let (uniform, stride) = uniforms(self.device, params).expect("a device");
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for n in 0..params.len() as u64 {
            let mut entries = vec![
                part(0, &uniform, n * stride, size_of::<Params>() as u64),
                part(21, &codes, n * slice, 4 * words as u64),
            ];
            entries.extend(read.iter().map(|(number, buffer)| wgpu::BindGroupEntry {
                binding: *number,
                resource: buffer.as_entire_binding(),
            }));
            let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: &self.pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(tiles, 1, batch);
        }
        let found = self.read(encoder, &codes);
        let slices = found.chunks_exact(words_apart);
        slices
            .map(|slice| {
                let tiles = slice[..words].chunks_exact(self.words());
                tiles.map(|words| self.query_tile(words)).collect()
            })
            .collect()
    }

    /// Words of a query tile.
    const fn words(&self) -> usize {
        HEADER + MOST_TILES * (1 + self.unit.invocations as usize)
    }

    fn query_tile(&self, words: &[u32]) -> QueryTile {
        let (header, rest) = words.split_at(HEADER);
        let tiles = rest.chunks_exact(1 + self.unit.invocations as usize);
        assert!(
            (header[5] as usize) < MOST_TILES,
            "more tiles than there is room for"
        );
        QueryTile {
            q_first: header[0],
            row_limit: header[1],
            shift: i32::from_ne_bytes(header[2].to_ne_bytes()),
            keys: [header[3], header[4]],
            met: tiles
                .take(header[5] as usize)
                .map(|tile| (tile[0], key_tile(&tile[1..])))
                .collect(),
        }
    }

    /// Buffers of the bindings that the decisions read.
    fn numbers(&self, numbers: &[(u32, Vec<u32>)]) -> Vec<(u32, wgpu::Buffer)> {
        let bindings = self.unit.variant.bindings().into_iter();
        let read = bindings.filter(|(number, _)| READ.contains(number));
        read.map(|(number, _)| {
            let words = numbers.iter().find(|&&(found, _)| found == number);
            let words = words.map_or(&[0; 1][..], |(_, words)| words);
            let buffer = wgpu::util::BufferInitDescriptor {
                label: None,
                contents: bytemuck::cast_slice(words),
                usage: wgpu::BufferUsages::STORAGE,
            };
            (number, self.device.create_buffer_init(&buffer))
        })
        .collect()
    }

    fn read(&self, mut encoder: wgpu::CommandEncoder, codes: &wgpu::Buffer) -> Vec<u32> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: codes.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(codes, 0, &staging, 0, codes.size());
        self.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
        let done = self.device.poll(wgpu::PollType::wait_indefinitely());
        done.expect("a device");
        let mapped = staging.slice(..).get_mapped_range().expect("mapped");
        let words = mapped.chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect()
    }
}

fn part(binding: u32, buffer: &wgpu::Buffer, offset: u64, size: u64) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer,
            offset,
            size: std::num::NonZeroU64::new(size),
        }),
    }
}

fn key_tile(codes: &[u32]) -> KeyTile {
    let decided = |bit: u32| codes.iter().map(move |code| code & bit != 0);
    let first = |bit| decided(bit).next().expect("an invocation");
    for bit in [1, 2] {
        assert!(
            decided(bit).all(|set| set == first(bit)),
            "invocations disagree"
        );
    }
    KeyTile {
        hides: first(1),
        constant: first(2),
        seen: decided(4).collect(),
    }
}
