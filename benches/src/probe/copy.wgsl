// Copies WORDS, of which neighbours in a round go, by BLOCK words, to neighbouring invocations.
@group(0) @binding(1) var<storage, read> source: array<Word>;
@group(0) @binding(2) var<storage, read_write> copied: array<Word>;

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var at = BLOCK * id.x; at < WORDS; at += BLOCK * INVOCATIONS) {
        for (var n = 0u; n < BLOCK; n++) {
            copied[at + n] = source[at + n];
        }
    }
}
