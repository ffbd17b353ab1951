//! RADV's null hardware: with `RADV_FORCE_FAMILY` the driver compiles for that GPU, and executes nothing.
#![expect(
    unsafe_code,
    reason = "Vulkan; the functions say what keeps each call in order"
)]

use std::ffi::{CStr, CString};

use ash::khr::pipeline_executable_properties as executable;
use ash::vk;

use crate::hot_loop;
use crate::spirv::Spirv;
use crate::table::Row;

/// A device of the one family that the process was started with. Lives as long as the process, so that nothing is destroyed.
pub(crate) struct NullHardware {
    device: ash::Device,
    executables: executable::Device,
    /// Of Mesa, such as 25.0.7.
    pub(crate) version: String,
    /// Whether it multiplies matrices.
    pub(crate) matrices: bool,
}

impl NullHardware {
    /// The device of the loader that is found and the driver that the environment names.
    pub(crate) fn open() -> Result<Self, String> {
        // SAFETY: every structure that is passed is a local that outlives the call, and every handle comes from the one before.
        unsafe {
            let entry = ash::Entry::load().map_err(|error| format!("no Vulkan loader: {error}"))?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let create = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry
                .create_instance(&create, None)
                .map_err(failed("an instance"))?;
            let found = instance
                .enumerate_physical_devices()
                .map_err(failed("the devices"))?;
            let physical = *found
                .first()
                .ok_or("the driver does not know this family")?;
            let matrices = offers(&instance, physical, ash::khr::cooperative_matrix::NAME)
                .map_err(failed("the extensions"))?;
            let device =
                create_device(&instance, physical, matrices).map_err(failed("a device"))?;
            let executables = executable::Device::new(&instance, &device);
            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(physical, &mut properties);
            let version = mesa_version(&text(driver.driver_info_as_c_str()));
            // Dropping the entry would unload the loader under the device.
            std::mem::forget(entry);
            Ok(Self {
                device,
                executables,
                version,
                matrices,
            })
        }
    }

    /// What the driver says of a kernel.
    pub(crate) fn compile(&self, name: &str, spirv: &Spirv) -> Result<Row, String> {
        // SAFETY: the pipeline is of this device, was created to be asked, and has one executable.
        unsafe {
            let pipeline = self.pipeline(spirv).map_err(failed(name))?;
            let asked = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let statistics = self
                .executables
                .get_pipeline_executable_statistics(&asked)
                .map_err(failed("statistics"))?;
            let number = |wanted| statistic(&statistics, wanted);
            let row = Row {
                kernel: name.to_owned(),
                vgprs: number("VGPRs")?,
                spilled: number("Spilled VGPRs")? + number("Spilled SGPRs")?,
                scratch: number("Scratch size")?,
                workgroup_bytes: number("LDS size")?,
                waves: number("Subgroups per SIMD")?,
                code_bytes: number("Code size")?,
                hot: hot_loop::mix(&self.listing(&asked)?),
            };
            self.device.destroy_pipeline(pipeline, None);
            Ok(row)
        }
    }

    /// # Safety
    /// The words must be a valid compute module with this entry and these bindings; naga's output is.
    unsafe fn pipeline(&self, spirv: &Spirv) -> Result<vk::Pipeline, vk::Result> {
        let device = &self.device;
        let bindings = spirv.bindings.iter().map(|&(number, uniform)| {
            let ty = if uniform {
                vk::DescriptorType::UNIFORM_BUFFER
            } else {
                vk::DescriptorType::STORAGE_BUFFER
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(number)
                .descriptor_type(ty)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        });
        let bindings: Vec<_> = bindings.collect();
        let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let module = vk::ShaderModuleCreateInfo::default().code(&spirv.words);
        let entry = CString::new(spirv.entry.as_str()).map_err(|_| vk::Result::ERROR_UNKNOWN)?;
        // SAFETY: as at `open`; what the caller promises is what the driver relies on.
        unsafe {
            let sets = [device.create_descriptor_set_layout(&set, None)?];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = device.create_pipeline_layout(&layout, None)?;
            let module = device.create_shader_module(&module, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let create = vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(layout)
                .flags(
                    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
                );
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[create], None);
            device.destroy_shader_module(module, None);
            made.map(|pipelines| pipelines[0])
                .map_err(|(_, error)| error)
        }
    }

    /// The final code as text. ash asks for the representations without giving them memory for their text.
    ///
    /// # Safety
    /// The executable must be of a live pipeline of this device that was created to be asked.
    unsafe fn listing(&self, asked: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String, String> {
        let get = self
            .executables
            .fp()
            .get_pipeline_executable_internal_representations_khr;
        // SAFETY: each text has the bytes that the call before asked for, and lives until the last of them.
        unsafe {
            let mut found = self
                .executables
                .get_pipeline_executable_internal_representations(asked)
                .map_err(failed("the code"))?;
            let mut count = u32::try_from(found.len()).map_err(|error| error.to_string())?;
            let mut texts: Vec<Vec<u8>> = found.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, text) in found.iter_mut().zip(&mut texts) {
                one.p_data = text.as_mut_ptr().cast();
            }
            get(self.device.handle(), asked, &mut count, found.as_mut_ptr())
                .result()
                .map_err(failed("the code"))?;
            let assembly = found
                .iter()
                .position(|one| text(one.name_as_c_str()) == "Assembly");
            let assembly = assembly.ok_or("the driver lists no code")?;
            Ok(String::from_utf8_lossy(&texts[assembly]).into_owned())
        }
    }
}

/// # Safety
/// The handles must be alive.
unsafe fn offers(
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
    name: &CStr,
) -> Result<bool, vk::Result> {
    // SAFETY: as at `open`.
    let offered = unsafe { instance.enumerate_device_extension_properties(physical)? };
    Ok(offered
        .iter()
        .any(|one| one.extension_name_as_c_str() == Ok(name)))
}

/// With what wgpu asks for, as far as it bears on the code: robust access, and numbers of 16 bits for matrices.
///
/// # Safety
/// The handles must be alive.
unsafe fn create_device(
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
    matrices: bool,
) -> Result<ash::Device, vk::Result> {
    // SAFETY: as at `open`.
    unsafe {
        let mut extensions = vec![
            executable::NAME.as_ptr(),
            ash::ext::robustness2::NAME.as_ptr(),
        ];
        if matrices {
            extensions.push(ash::khr::cooperative_matrix::NAME.as_ptr());
        }
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
        let mut info = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut robust =
            vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
        let mut cooperative =
            vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
        let mut eleven =
            vk::PhysicalDeviceVulkan11Features::default().storage_buffer16_bit_access(true);
        let mut twelve = vk::PhysicalDeviceVulkan12Features::default()
            .shader_float16(true)
            .vulkan_memory_model(true)
            .vulkan_memory_model_device_scope(true);
        let mut create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .enabled_features(&core)
            .push_next(&mut info)
            .push_next(&mut robust)
            .push_next(&mut eleven)
            .push_next(&mut twelve);
        if matrices {
            create = create.push_next(&mut cooperative);
        }
        instance.create_device(physical, &create, None)
    }
}

fn failed(what: &str) -> impl Fn(vk::Result) -> String {
    move |error| format!("{what}: {error}")
}

fn text(name: Result<&CStr, impl Sized>) -> String {
    name.map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The number in "Mesa 25.0.7-2~bpo12+1".
fn mesa_version(info: &str) -> String {
    let number = info.split(|one: char| !one.is_ascii_digit() && one != '.');
    number
        .into_iter()
        .find(|part| part.contains('.'))
        .unwrap_or("unknown")
        .to_owned()
}

fn statistic(
    statistics: &[vk::PipelineExecutableStatisticKHR<'_>],
    wanted: &str,
) -> Result<u32, String> {
    let found = statistics
        .iter()
        .find(|one| text(one.name_as_c_str()) == wanted);
    let found = found.ok_or_else(|| format!("the driver does not tell {wanted}"))?;
    if found.format != vk::PipelineExecutableStatisticFormatKHR::UINT64 {
        return Err(format!(
            "the driver tells {wanted} as {:?}; known: UINT64",
            found.format
        ));
    }
    // SAFETY: the format says which member it is.
    let value = unsafe { found.value.u64 };
    u32::try_from(value).map_err(|_| format!("{wanted} is {value}"))
}
