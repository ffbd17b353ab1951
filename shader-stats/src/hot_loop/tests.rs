use super::*;

/// What LLVM lists for RDNA3: two loops, one within the other; of the inner one a pair is issued together.
const RDNA3: &str = "\
BB0:
	v_lshl_add_u32 v0, s3, 6, v0                                ; d6460000 04010c03
	v_fma_f32 v1, v1, v2, 1.0                                   ; d6130001 03ca0501
BB1:
	buffer_load_b32 v2, off, s[4:7], 0                          ; e0500000 80010280
	v_cvt_u32_f32_e32 v2, v2                                    ; 7e040f02
	s_cbranch_scc1 BB5                                          ; bfa20008
BB2:
	ds_load_b128 v[4:7], v3 offset:1280                         ; dbfc0500 04000003
	v_fmac_f32_e32 v1, v4, v5                                   ; 56020b04
	v_dual_fmac_f32 v8, v4, v6 :: v_dual_mov_b32 v9, v5         ; c80e0d04 08080105
	v_pk_fma_f16 v1, v2, v3, v1                                 ; cc0e4001 1c060702
	v_add_nc_u32_e32 v3, 16, v3                                 ; 4a060690
	s_cbranch_scc0 BB2                                          ; bfa1fff0
BB3:
	v_fmac_f32_e32 v1, v4, v5                                   ; 56020b04
	s_branch BB1                                                ; bfa0ffe9
BB5:
	buffer_store_b32 v1, v0, s[4:7], 0 offen                    ; e0680000 80410100
	s_endpgm                                                    ; bfb00000
";

/// What ACO itself lists, where LLVM does not know the GPU.
const RDNA4: &str = "\
After lowering to hw instructions:
ACO shader stage: SW (CS), HW (COMPUTE_SHADER)
BB0
/* logical preds: / linear preds: / kind: uniform, top-level, loop-preheader, */
	 v1: %5:v[0] = v_lshl_add_u32 %31:s[117], 6, %30:v[0]
BB1
/* logical preds: BB0, BB1, / linear preds: BB0, BB1, / kind: uniform, loop-header, */
	 v4: %42:v[4-7] = ds_read_b128 %7:v[1] offset:16
	s_wait_dscnt imm:0
	 v1: %23:v[2] = v_fma_f32 %14:v[4], %49:v[5], %22:v[2]
	 v8: %24:v[8-15] = v_wmma_f32_16x16x16_f16 %15:v[16-19], %16:v[20-23], %24:v[8-15]
	 s1: %0:s[4] = s_mov_b32 %23:s[7]
	s_cbranch_scc1 block:BB1
BB5
	buffer_store_dword %10:s[0-3], %27:v[0], 0, %51:v[1] offen storage:buffer
	s_endpgm
";

#[test]
fn the_innermost_loop_is_counted() {
    let expected = Mix {
        vector: 5,
        multiply_adds: 3,
        workgroup_memory: 1,
        ..Mix::default()
    };
    assert_eq!(mix(RDNA3), expected);
    assert_eq!(expected.useful_percent(), 60);
}

#[test]
fn matrix_products_count_in_either_listing() {
    let expected = Mix {
        vector: 2,
        multiply_adds: 1,
        matrix_products: 1,
        workgroup_memory: 1,
        ..Mix::default()
    };
    assert_eq!(mix(RDNA4), expected);
}

#[test]
fn an_outer_loop_counts_without_the_inner_one() {
    let more = RDNA3.replace(
        "\ts_branch BB1",
        &("\tv_dot2_f32_f16 v1, v1, v2, v3\n".repeat(3) + "\ts_branch BB1"),
    );
    let expected = Mix {
        vector: 5,
        multiply_adds: 4,
        memory: 1,
        ..Mix::default()
    };
    assert_eq!(mix(&more), expected);
}

#[test]
fn code_without_a_loop_counts_as_a_whole() {
    let listing = RDNA4.replace("s_cbranch_scc1 block:BB1", "s_nop");
    let expected = Mix {
        vector: 3,
        multiply_adds: 1,
        matrix_products: 1,
        workgroup_memory: 1,
        memory: 1,
        ..Mix::default()
    };
    assert_eq!(mix(&listing), expected);
}

#[test]
fn of_loops_with_as_many_matrix_products_the_inner_one_counts() {
    const INNER: &str = "\tv_add_nc_u32_e32 v3, 16, v3 ";
    let product = "\tv_wmma_f32_16x16x16_f16 v[8:15], v[16:23], v[24:31], v[8:15]\n";
    let both = RDNA3.replace(INNER, &format!("{product}{INNER}")).replace(
        "\ts_branch BB1",
        &format!(
            "{}{product}\ts_branch BB1",
            "\tv_fma_f32 v1, v1, v2, v3\n".repeat(8)
        ),
    );
    let found = mix(&both);
    assert_eq!((found.vector, found.matrix_products), (6, 1));
    let outer = both.replace("\ts_branch BB1", &format!("{product}\ts_branch BB1"));
    assert_eq!(mix(&outer).matrix_products, 2);
}

#[test]
fn products_count_by_the_clocks_they_take() {
    let hot = Mix {
        vector: 8,
        integer_products: 2,
        matrix_products: 1,
        ..Mix::default()
    };
    // 32 of 32 + 2 · 8 + 5 · 2.
    assert_eq!(hot.useful_percent(), 55);
    let listing = RDNA3.replace("v_add_nc_u32_e32 v3, 16, v3 ", "v_mul_lo_u32 v3, v3, v3");
    assert_eq!(mix(&listing).integer_products, 1);
}

#[test]
fn what_the_listing_cannot_name_counts_as_a_vector_instruction() {
    let listing = RDNA3.replace("\tv_add_nc_u32_e32 v3, 16, v3 ", "(invalid instruction)");
    assert_eq!(mix(&listing), mix(RDNA3));
}
