//! Sensors of the environment: one driver and one client trait for each kind.

use crate::ErrorCode;

/// Temperature.
pub trait TemperatureDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn TemperatureClient);
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`, `FAIL`.
    fn read_temperature(&self) -> Result<(), ErrorCode>;
}

/// Receives temperatures.
pub trait TemperatureClient {
    /// In hundredths of a degree Celsius.
    fn callback(&self, value: Result<i32, ErrorCode>);
}

/// Humidity.
pub trait HumidityDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn HumidityClient);
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`, `FAIL`.
    fn read_humidity(&self) -> Result<(), ErrorCode>;
}

/// Receives humidities.
pub trait HumidityClient {
    /// In hundredths of a percent.
    fn callback(&self, value: usize);
}

/// Soil moisture.
pub trait MoistureDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn MoistureClient);
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`, `FAIL`.
    fn read_moisture(&self) -> Result<(), ErrorCode>;
}

/// Receives moistures.
pub trait MoistureClient {
    /// In hundredths of a percent.
    fn callback(&self, value: Result<usize, ErrorCode>);
}

/// Rainfall.
pub trait RainFallDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn RainFallClient);
    /// Asks for what fell in the last `hours`.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`, `NOSUPPORT`, `FAIL`.
    fn read_rainfall(&self, hours: usize) -> Result<(), ErrorCode>;
}

/// Receives rainfall.
pub trait RainFallClient {
    /// In micrometres.
    fn callback(&self, value: Result<usize, ErrorCode>);
}

/// Air quality.
pub trait AirQualityDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn AirQualityClient);
    /// Tells degrees Celsius and percent of humidity, for better results.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn specify_environment(
        &self,
        temp: Option<i32>,
        humidity: Option<u32>,
    ) -> Result<(), ErrorCode>;
    /// Measures carbon dioxide.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn read_co2(&self) -> Result<(), ErrorCode>;
    /// Measures volatile organic compounds.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`.
    fn read_tvoc(&self) -> Result<(), ErrorCode>;
}

/// Receives air qualities.
pub trait AirQualityClient {
    /// The environment was taken over, or not.
    fn environment_specified(&self, result: Result<(), ErrorCode>);
    /// Carbon dioxide, ppm.
    fn co2_data_available(&self, value: Result<u32, ErrorCode>);
    /// Volatile organic compounds, ppb.
    fn tvoc_data_available(&self, value: Result<u32, ErrorCode>);
}

/// Proximity.
pub trait ProximityDriver<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn ProximityClient);
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn read_proximity(&self) -> Result<(), ErrorCode>;
    /// Calls back when it is at most `low_threshold` or at least `high_threshold`.
    ///
    /// # Errors
    /// `BUSY`, `INVAL`, `FAIL`.
    fn read_proximity_on_interrupt(
        &self,
        low_threshold: u8,
        high_threshold: u8,
    ) -> Result<(), ErrorCode>;
}

/// Receives proximities.
pub trait ProximityClient {
    /// 255 is nearest.
    fn callback(&self, value: u8);
}

/// Ambient light.
pub trait AmbientLight<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn AmbientLightClient);
    /// Measures.
    ///
    /// # Errors
    /// `NODEVICE`, `BUSY`.
    fn read_light_intensity(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NODEVICE)
    }
}

/// Receives light.
pub trait AmbientLightClient {
    /// In lux.
    fn callback(&self, lux: usize);
}

/// Acceleration, rotation and magnetic field; what a chip lacks answers `NODEVICE`.
pub trait NineDof<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn NineDofClient);
    /// Measures acceleration.
    ///
    /// # Errors
    /// `NODEVICE`, `BUSY`.
    fn read_accelerometer(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NODEVICE)
    }
    /// Measures the magnetic field.
    ///
    /// # Errors
    /// `NODEVICE`, `BUSY`.
    fn read_magnetometer(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NODEVICE)
    }
    /// Measures rotation.
    ///
    /// # Errors
    /// `NODEVICE`, `BUSY`.
    fn read_gyroscope(&self) -> Result<(), ErrorCode> {
        Err(ErrorCode::NODEVICE)
    }
}

/// Receives three axes.
pub trait NineDofClient {
    /// X, Y, Z.
    fn callback(&self, arg1: usize, arg2: usize, arg3: usize);
}

/// Sound pressure.
pub trait SoundPressure<'a> {
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `FAIL`.
    fn read_sound_pressure(&self) -> Result<(), ErrorCode>;
    /// Turns the microphone on.
    ///
    /// # Errors
    /// `FAIL`.
    fn enable(&self) -> Result<(), ErrorCode>;
    /// Turns it off.
    ///
    /// # Errors
    /// `FAIL`.
    fn disable(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn SoundPressureClient);
}

/// Receives sound pressures.
pub trait SoundPressureClient {
    /// In dB.
    fn callback(&self, ret: Result<(), ErrorCode>, sound_pressure: u8);
}

/// Air pressure.
pub trait PressureDriver<'a> {
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`, `FAIL`.
    fn read_atmospheric_pressure(&self) -> Result<(), ErrorCode>;
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn PressureClient);
}

/// Receives air pressures.
pub trait PressureClient {
    /// In hPa.
    fn callback(&self, pressure: Result<u32, ErrorCode>);
}

/// Distance.
pub trait Distance<'a> {
    /// Whom to tell.
    fn set_client(&self, client: &'a dyn DistanceClient);
    /// Measures.
    ///
    /// # Errors
    /// `BUSY`, `NOSUPPORT`, `FAIL`.
    fn read_distance(&self) -> Result<(), ErrorCode>;
    /// Farthest it measures, mm.
    fn get_maximum_distance(&self) -> u32;
    /// Nearest it measures, mm.
    fn get_minimum_distance(&self) -> u32;
}

/// Receives distances.
pub trait DistanceClient {
    /// In mm.
    fn callback(&self, distance: Result<u32, ErrorCode>);
}
